import { readFileSync } from "node:fs";
import {
  type Authenticator,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
} from "@nats-io/nats-core";
import { ServiceError, subjectToken, type ZoneInstance } from "@sallyport/contracts";
import { type BusLog, dialNats, isRefusal } from "./dial-nats.ts";
import { Inbox } from "./inbox.ts";
import type { RelayRoad } from "./relay/dial.ts";
import { Journey } from "./relay/journey.ts";
import { serverVersionProblem } from "./server-version.ts";
import { Turn } from "./turn.ts";

export type { BusLog };

export interface BusOptions extends RelayRoad {
  /** Tried in turn, at the start and at each reconnect; what else a relay says of its cluster is not followed. */
  servers: readonly string[];
  who: ZoneInstance;
  /** A creds file or an nkey seed file, read again at every reconnect. Only tests connect without one. */
  credentials?: { creds: string } | { nkey: string };
  log: BusLog;
  /** How long the first connection may take before the boot fails. */
  patienceMs?: number;
}

/** A connection to NATS in the name of one zone instance. Only this package touches `nats`. */
export interface Bus {
  readonly who: ZoneInstance;
  readonly nats: NatsConnection;
  readonly log: BusLog;
  readonly turn: Turn;
  readonly inbox: Inbox;
  /** Whether NATS can be reached now. */
  connected(): boolean;
  /** The server that it is connected to, and the end of that one's certificate where there is TLS. */
  relay(): { server: string | undefined; certificateUntil: Date | undefined };
  /** Connects anew, with the credentials that are in the file now. */
  reconnect(): Promise<void>;
  close(): Promise<void>;
}

/** Within one account a peer that may subscribe `_INBOX.>` would read every reply: each client has a prefix of its own. */
export function inboxPrefix(who: ZoneInstance): string {
  return `_INBOX.${subjectToken("zone", who.zone)}.${subjectToken("instance", who.instance)}`;
}

/** Connects, or throws `unavailable` / `denied` with what was tried and what to check. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const { who, credentials } = options;
  const journey = new Journey(options.servers, options.log);
  const nats = await dialNats(
    {
      ...options,
      name: `${who.zone} ${who.instance}`,
      inboxPrefix: inboxPrefix(who),
      authenticator: credentials && authenticator(credentials),
      // A login that was refused is not tried several times a second: proxies lock an account for less.
      again: () => (journey.hopeless() ? 5_000 : 200) + Math.floor(Math.random() * 200),
    },
    journey,
  );
  const problem = serverVersionProblem(nats.info?.version);
  if (problem !== undefined) {
    await nats.close();
    throw new ServiceError("denied", problem);
  }
  let connected = true;
  const watching = watchStatus({ nats, journey, log: options.log }, (now) => {
    connected = now;
  });
  const turn = new Turn();
  const inbox = new Inbox(nats, inboxPrefix(who), turn);
  return {
    who,
    nats,
    turn,
    inbox,
    log: options.log,
    connected: () => connected && !nats.isClosed(),
    relay: () => ({ server: journey.server, certificateUntil: journey.certificateUntil }),
    reconnect: () => nats.reconnect(),
    close: async () => {
      connected = false;
      journey.end();
      inbox.close();
      // Drain waits for the server: without one there is nothing to wait for.
      await Promise.race([nats.drain(), delay(1000)]).catch(() => undefined);
      await nats.close();
      await watching;
    },
  };
}

function authenticator(credentials: { creds: string } | { nkey: string }): Authenticator {
  // Read inside the function: a rotated file is used at the next connection.
  if ("creds" in credentials) return credsAuthenticator(() => readFileSync(credentials.creds));
  return nkeyAuthenticator(() => Buffer.from(readFileSync(credentials.nkey, "utf8").trim()));
}

async function watchStatus(
  { nats, journey, log }: { nats: NatsConnection; journey: Journey; log: BusLog },
  set: (connected: boolean) => void,
) {
  for await (const status of nats.status()) {
    if (status.type === "disconnect") {
      set(false);
      log.warn({}, "NATS is away; reconnecting");
    } else if (status.type === "reconnect") {
      const problem = serverVersionProblem(nats.info?.version);
      if (problem === undefined) {
        set(true);
        journey.arrived();
        log.info({ server: journey.server, version: nats.info?.version }, "NATS is back");
      } else {
        log.error({}, problem);
        await nats.close();
      }
    } else if (status.type === "error" && isRefusal(status.error)) {
      const told = { server: journey.server, problem: status.error.message };
      if (journey.refused()) log.error(told, "NATS refuses this user: check nats.creds; trying every 5 s");
    } else if (status.type === "error") {
      log.error({ problem: status.error.message }, "NATS reports an error");
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
