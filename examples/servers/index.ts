/**
 * MCP servers to put behind the tunnel. Each starts in this process by its function, or alone by
 * `node examples/servers/<name>/main.ts`, which prints `{"url": …}` and ends on SIGTERM.
 *
 * - `everything-v1`: all that MCP 2025-11-25 knows, on SDK v1; `everything-v1/stdio.ts` speaks stdio.
 * - `everything-v2`: the same on SDK v2, for 2026-07-28 as well. Both pass the official conformance suite.
 * - `orders`: the demo's private API behind a bearer token, and the MCP server in front of it.
 * - `reflector`: a hostile server that gives its credential back in every way it can.
 */
export { startEverythingV1 } from "./everything-v1/start.ts";
export { startEverythingV2 } from "./everything-v2/start.ts";
export type { ServeOptions } from "./http/command-line.ts";
export type { Running } from "./http/listen.ts";
export { startOrders } from "./orders/start.ts";
export { FORM_NAMES, FORMS } from "./reflector/forms.ts";
export type { Seen, SeenRequest } from "./reflector/recorder.ts";
export { type Reflector, startReflector } from "./reflector/start.ts";
