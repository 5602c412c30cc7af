/**
 * The far end of a tunnel: everything between a sealed exchange and the server that answers it.
 *
 * `src/doors.ts` opens seal sessions with edges, `src/handle-exchange.ts` names the steps of a call in order: the live
 * grant, what is asked, in whose session, whether policy allows it, the record, the lease; then `src/relay.ts` hands it
 * to an `Upstream` and brings the reply back through the scrubber. Who offers servers brings its upstreams and nothing
 * else: no zone decides, records or scrubs in a way of its own.
 */
export { CallsInProgress } from "./src/calls-in-progress.ts";
export { brokerClient } from "./src/credentials/broker.ts";
export { type Lease, Leases } from "./src/credentials/leases.ts";
export { Doors } from "./src/doors.ts";
export { handleExchange } from "./src/handle-exchange.ts";
export { openAudit } from "./src/open-audit.ts";
export { openGate } from "./src/open-gate.ts";
export { Reply } from "./src/reply.ts";
export type { Server } from "./src/server.ts";
export { sessionNames } from "./src/session-names.ts";
export { drainLimit, gateSettings, readGateMaterial } from "./src/settings.ts";
export { type GatedToolCall, type ToolCallAsk, type ToolGate, toolGate } from "./src/tool-gate.ts";
export type { Upstream, UpstreamCall, UpstreamReply, UpstreamRequest } from "./src/upstream.ts";
