/**
 * What a zone must understand of an MCP message, and nothing more: is the body one that every parser reads alike, which
 * messages does it hold, do the routing headers say the same, and what is to be decided. Pure, no IO, and bodies are read,
 * never written again.
 *
 * The edge and the connector each call `readMessage` on the same bytes; neither trusts the other's reading. Then
 * `subjectOf` says what the policy is asked, and `denial`, `unavailable` and `invalid` are the answers made on this side.
 * `filterToolsList` and `SseSplitter` are for the way back.
 */
export {
  type Answer,
  DENIED,
  denial,
  type FailureSource,
  invalid,
  type Provenance,
  UNAVAILABLE,
  unavailable,
} from "./src/deny.ts";
export { claimedVersion, type Era, eraOf, type RoutingHeaders, routingHeaders } from "./src/era.ts";
export { checkHeaders } from "./src/headers.ts";
export {
  type Message,
  type Params,
  type Reading,
  type Refusal,
  type RequestId,
  readMessage,
} from "./src/message.ts";
export { replaceSseData, type SseEvent, SseSplitter, type SseStep, sseData } from "./src/sse.ts";
export { type JsonLimits, type JsonProblem, type JsonReading, parseStrict } from "./src/strict-json.ts";
export { type Subject, subjectOf } from "./src/subject.ts";
export { type Filtered, filterToolsList, filterToolsListEvent } from "./src/tools-list.ts";
export { type TraceContext, traceContextOf } from "./src/trace-context.ts";
