import { readFileSync } from "node:fs";
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import { ServiceError, subjectToken, type ZoneInstance } from "@sallyport/contracts";
import { Inbox } from "./inbox.ts";
import { serverVersionProblem } from "./server-version.ts";
import { Turn } from "./turn.ts";

export interface BusLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface BusOptions {
  servers: readonly string[];
  who: ZoneInstance;
  /** A creds file or an nkey seed file, read again at every reconnect. Only tests connect without one. */
  credentials?: { creds: string } | { nkey: string };
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
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
  close(): Promise<void>;
}

/** Within one account a peer that may subscribe `_INBOX.>` would read every reply: each client has a prefix of its own. */
export function inboxPrefix(who: ZoneInstance): string {
  return `_INBOX.${subjectToken("zone", who.zone)}.${subjectToken("instance", who.instance)}`;
}

/** Connects, or throws `unavailable` / `denied` with what was tried and what to check. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const nats = await dial(options);
  const problem = serverVersionProblem(nats.info?.version);
  if (problem !== undefined) {
    await nats.close();
    throw new ServiceError("denied", problem);
  }
  let connected = true;
  const watching = watchStatus(nats, options, (now) => {
    connected = now;
  });
  const turn = new Turn();
  const inbox = new Inbox(nats, inboxPrefix(options.who), turn);
  return {
    who: options.who,
    nats,
    turn,
    inbox,
    log: options.log,
    connected: () => connected && !nats.isClosed(),
    close: async () => {
      connected = false;
      inbox.close();
      // Drain waits for the server: without one there is nothing to wait for.
      await Promise.race([nats.drain(), delay(1000)]).catch(() => undefined);
      await nats.close();
      await watching;
    },
  };
}

async function dial(options: BusOptions): Promise<NatsConnection> {
  const until = Date.now() + (options.patienceMs ?? 30_000);
  const settings: ConnectionOptions = {
    servers: [...options.servers],
    name: `sallyport ${options.who.zone} ${options.who.instance}`,
    inboxPrefix: inboxPrefix(options.who),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    reconnectJitter: 200,
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    pingInterval: 5_000,
    maxPingOut: 2,
    timeout: 3_000,
    ...(options.credentials ? { authenticator: authenticator(options.credentials) } : {}),
    ...(options.tls ? { tls: options.tls } : {}),
  };
  for (let warned = false; ; ) {
    try {
      return await connect(settings);
    } catch (error) {
      if (isRefusal(error)) {
        throw new ServiceError(
          "denied",
          `NATS at ${options.servers.join(", ")} refuses ${options.who.zone} ${options.who.instance}: check nats.credentials`,
          { cause: error },
        );
      }
      if (Date.now() >= until) {
        throw new ServiceError(
          "unavailable",
          `no NATS server answers at ${options.servers.join(", ")}: check nats.servers`,
          { cause: error },
        );
      }
      if (!warned) options.log.warn({ servers: options.servers }, "NATS does not answer yet; trying again");
      warned = true;
      await delay(200);
    }
  }
}

function authenticator(credentials: { creds: string } | { nkey: string }): Authenticator {
  // Read inside the function: a rotated file is used at the next connection.
  if ("creds" in credentials) return credsAuthenticator(() => readFileSync(credentials.creds));
  return nkeyAuthenticator(() => Buffer.from(readFileSync(credentials.nkey, "utf8").trim()));
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && /authorization|authentication/i.test(`${error.name} ${error.message}`);
}

async function watchStatus(nats: NatsConnection, options: BusOptions, set: (connected: boolean) => void) {
  for await (const status of nats.status()) {
    if (status.type === "disconnect") {
      set(false);
      options.log.warn({}, "NATS is away; reconnecting");
    } else if (status.type === "reconnect") {
      const problem = serverVersionProblem(nats.info?.version);
      if (problem === undefined) {
        set(true);
        options.log.info({ version: nats.info?.version }, "NATS is back");
      } else {
        options.log.error({}, problem);
        await nats.close();
      }
    } else if (status.type === "error") {
      options.log.error({ problem: status.error.message }, "NATS reports an error");
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
