import type { Handler } from "@sallyport/bus";
import { type readTrace, ServiceError, type Span } from "@sallyport/contracts";
import type { Store } from "./store.ts";

/** Below the 1 MiB of a NATS message. */
const maxAnswerBytes = 768 * 1024;

export function readTraceHandler(deps: { store: Pick<Store, "trace"> }): Handler<typeof readTrace> {
  return async ({ trace }) => {
    const spans = deps.store.trace(trace);
    if (spans.length > 0) return { spans: fitting(spans) };
    const what =
      trace === "last" ? "no call has been traced yet" : `trace ${trace} is not in the collector's store`;
    throw new ServiceError("not_found", what);
  };
}

/** As many of the first spans as one message holds: a trace is stored by its start, so parents stay. */
function fitting(spans: readonly Span[]): Span[] {
  let bytes = 0;
  const end = spans.findIndex((span) => {
    bytes += Buffer.byteLength(JSON.stringify(span)) + 1;
    return bytes > maxAnswerBytes;
  });
  return end < 0 ? [...spans] : spans.slice(0, end);
}
