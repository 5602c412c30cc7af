import { credsAuthenticator, type NatsConnection } from "@nats-io/nats-core";
import { type BusLog, dialNats } from "./dial-nats.ts";
import type { RelayRoad } from "./relay/dial.ts";
import { Journey } from "./relay/journey.ts";

export interface VisitOptions extends RelayRoad {
  servers: readonly string[];
  /** A creds file, as bytes. Only tests connect without one. */
  creds?: Uint8Array;
  /** Who connects, for people. */
  name: string;
  inboxPrefix: string;
}

const silent: BusLog = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * For a command whose user is no zone's instance: connects once, by any road of `servers`, and does not come back when it
 * is cut.
 *
 * @throws ServiceError `unavailable` or `denied`, with what was tried and what to check
 */
export async function visitRelay(options: VisitOptions): Promise<NatsConnection> {
  const authenticator = options.creds && credsAuthenticator(options.creds);
  return await dialNats(
    { ...options, authenticator, again: undefined, patienceMs: 0, log: silent },
    new Journey(options.servers, silent),
  );
}
