/**
 * NATS: connect, serve, request, exchange, publish. The only package that imports a NATS client, and so the one place
 * that parses, bounds and answers what arrives. Everything it throws is a ServiceError.
 *
 * `src/exchange/` is the multiplexer of the tunnel: many exchanges with flow control over one sealed session.
 */
export { announce } from "./src/announce.ts";
export { append } from "./src/append.ts";
export { type Bucket, type Entry, openBucket } from "./src/bucket.ts";
export { type Bus, type BusLog, type BusOptions, connectBus, inboxPrefix } from "./src/connect.ts";
export { publish, subscribe, subscribeBytes } from "./src/events.ts";
export type { Incoming } from "./src/exchange/incoming.ts";
export { defaultLimits, type LinkLimits } from "./src/exchange/limits.ts";
export { type Cipher, Link, type LinkOptions } from "./src/exchange/link.ts";
export type { Outgoing, ReplyHandlers } from "./src/exchange/outgoing.ts";
export { countQueue, enqueue, type QueueEntry, take } from "./src/queue.ts";
export { type LogEntry, readLog } from "./src/read-log.ts";
export { type RelayAddress, readRelayAddress, relayAddressProblem } from "./src/relay/address.ts";
export type { RelayRoad } from "./src/relay/dial.ts";
export { request } from "./src/request.ts";
export { openRoad, type Road } from "./src/road.ts";
export { type Closable, type Handler, type ServeContext, type ServeOptions, serve } from "./src/serve.ts";
export { serverVersionProblem } from "./src/server-version.ts";
export { type VisitOptions, visitRelay } from "./src/visit.ts";
