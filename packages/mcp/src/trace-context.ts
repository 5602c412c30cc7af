import type { Params } from "./message.ts";

/** W3C Trace Context and Baggage as text; only syntactically valid values get here. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,200})?$/;
const STATE_KEY = "[a-z0-9][-a-z0-9_*/]{0,255}(?:@[a-z][-a-z0-9_*/]{0,13})?";
const STATE_MEMBER = new RegExp(`^[ \\t]*(?:${STATE_KEY}=[ -+\\--<>-~]{0,255}[!-+\\--<>-~])?[ \\t]*$`);
const BAGGAGE = /^[ !#-~\t"]{1,8192}$/;

/** SEP-414: unprefixed `traceparent`, `tracestate`, `baggage` in `params._meta`. An invalid value is treated as absent. */
export function traceContextOf(params: Params): TraceContext | undefined {
  const meta = params._meta;
  if (typeof meta !== "object" || meta === null) return undefined;
  const { traceparent, tracestate, baggage } = meta as Record<string, unknown>;
  if (typeof traceparent !== "string" || !TRACEPARENT.test(traceparent)) return undefined;
  // Version 00 has exactly four fields; later versions may append more.
  if (traceparent.startsWith("00-") && traceparent.length !== 55) return undefined;
  return {
    traceparent,
    ...(typeof tracestate === "string" && isTracestate(tracestate) ? { tracestate } : {}),
    ...(typeof baggage === "string" && BAGGAGE.test(baggage) ? { baggage } : {}),
  };
}

function isTracestate(value: string): boolean {
  if (value === "" || value.length > 512) return false;
  const members = value.split(",");
  return members.length <= 32 && members.every((member) => STATE_MEMBER.test(member));
}
