import type { UpstreamRequest } from "@sallyport/gate";
import type { Caller } from "../mcp/sandboxes.ts";

/** What a sandbox knows of the latest call to it: on whose behalf, and under which grant, it reaches out. */
export interface CallContext {
  readonly who: UpstreamRequest["who"];
  readonly traceparent: string | undefined;
  /** Rejects once the call's grant has ended: what still runs inside then has no credential any more. */
  readonly credential: UpstreamRequest["credential"];
  /** Asks the edge that brought the call, while it lasts. */
  readonly ask: UpstreamRequest["ask"];
}

/** The caller as the gate hands it over. */
export interface GatedCaller extends Caller {
  readonly context: CallContext;
}

export function contextOf(caller: Caller): CallContext | undefined {
  return "context" in caller ? (caller as GatedCaller).context : undefined;
}
