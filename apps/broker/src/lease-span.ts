import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { asServiceError } from "@sallyport/contracts";

const tracer = trace.getTracer("sallyport.broker");

/** The server span of a lease, under the connector's. It holds names, an outcome, and nothing of the credential. */
export async function inLeaseSpan<T>(
  traceparent: string | undefined,
  names: { connector: string; credential: string },
  work: (traceId: string | undefined) => Promise<T>,
): Promise<T> {
  const attributes = { "sallyport.connector": names.connector, "sallyport.credential": names.credential };
  const parent = remoteContext(traceparent);
  const span = tracer.startSpan("lease", { kind: SpanKind.SERVER, attributes }, parent);
  const spanContext = span.spanContext();
  try {
    const traceId = isSpanContextValid(spanContext) ? spanContext.traceId : undefined;
    return await context.with(trace.setSpan(parent, span), () => work(traceId));
  } catch (thrown) {
    const { code } = asServiceError(thrown);
    span.setAttribute("error.type", code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    throw thrown;
  } finally {
    span.end();
  }
}

/** W3C Trace Context, version 00. What does not fit counts as absent: a trace begins here. */
function remoteContext(traceparent: string | undefined) {
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags ?? "00", 16) & 1, isRemote: true };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
}
