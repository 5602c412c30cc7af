import type { Authenticator, NatsConnection } from "@nats-io/nats-core";
import { NatsConnectionImpl, setTransportFactory } from "@nats-io/nats-core/internal";
import { ServiceError } from "@sallyport/contracts";
import { readRelayAddress, tryOrder } from "./relay/address.ts";
import type { RelayRoad } from "./relay/dial.ts";
import type { Journey } from "./relay/journey.ts";
import { RelayTransport, type RoadOptions } from "./relay/transport.ts";

export interface BusLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

interface DialOptions extends RelayRoad {
  readonly servers: readonly string[];
  readonly name: string;
  readonly inboxPrefix: string;
  readonly authenticator: Authenticator | undefined;
  /** Milliseconds until it is tried again when it was cut; it is not without. */
  readonly again: (() => number) | undefined;
  /** How long the first connection may take. */
  readonly patienceMs?: number | undefined;
  readonly log: BusLog;
}

/** Connects, or throws `unavailable` / `denied` with what was tried and what to check. */
export async function dialNats(options: DialOptions, journey: Journey): Promise<NatsConnection> {
  const { servers, name, log } = options;
  const until = Date.now() + (options.patienceMs ?? 30_000);
  const settings = connectionOptions(options, journey);
  for (;;) {
    try {
      setTransportFactory({ factory: () => new RelayTransport() });
      const nats = await NatsConnectionImpl.connect(settings);
      journey.arrived();
      log.info(
        { server: journey.server, proxy: options.proxy?.url, version: nats.info?.version },
        "NATS is reached",
      );
      return nats;
    } catch (error) {
      if (isRefusal(error)) {
        throw new ServiceError("denied", `NATS at ${servers.join(", ")} refuses ${name}: check nats.creds`, {
          cause: error,
        });
      }
      if (isUnreadable(error))
        throw new ServiceError("denied", "what nats.creds names holds no NATS credentials", { cause: error });
      if (journey.hopeless()) throw new ServiceError("denied", `NATS is not reached: ${journey.problems()}`);
      if (Date.now() >= until) {
        throw new ServiceError("unavailable", `no NATS server answers: ${journey.problems()}`, {
          cause: error,
        });
      }
      await delay(200);
    }
  }
}

function connectionOptions(options: DialOptions, journey: Journey): RoadOptions {
  const { servers, name, inboxPrefix, authenticator, again, caFile, tlsFirst, proxy } = options;
  const dialMs = proxy === undefined ? 3_000 : 10_000;
  const addresses = servers.map((server) => {
    const address = readRelayAddress(server);
    if ("problem" in address)
      throw new ServiceError(
        "denied",
        `nats.servers: ${withoutLogin(server)} is refused: expected ${address.problem}`,
      );
    return address;
  });
  return {
    servers: tryOrder(servers),
    name: `sallyport ${name}`,
    inboxPrefix,
    noRandomize: true,
    // The INFO that names other servers comes in clear, and a proxy may let this zone reach the named ones alone.
    ignoreClusterUpdates: true,
    ...(again === undefined
      ? { reconnect: false }
      : { maxReconnectAttempts: -1, reconnectDelayHandler: again }),
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    pingInterval: 5_000,
    maxPingOut: 2,
    dialMs,
    timeout: dialMs + 2_000,
    ...(authenticator === undefined ? {} : { authenticator }),
    // The client's transports are of the whole process: should another one get this connection, it must want TLS too.
    ...(addresses.some((one) => one.tls) ? { tls: caFile === undefined ? {} : { caFile } } : {}),
    road: { caFile, tlsFirst, proxy },
    journey,
  };
}

const withoutLogin = (url: string) => url.replace(/\/\/.*@/, "//…@");

/** Pure: it does not take who this says to be. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof ServiceError) &&
    /authorization|authentication/i.test(`${error.name} ${error.message}`)
  );
}

function isUnreadable(error: unknown): boolean {
  return error instanceof Error && error.message === "unable to parse credentials";
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
