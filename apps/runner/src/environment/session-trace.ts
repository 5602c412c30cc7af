import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

const tracer = trace.getTracer("sallyport.runner");
const wellFormed = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The spans of one session. Names and ids, never contents. */
export interface SessionTrace {
  call(tool: string): { traceId: string | undefined; end(isError: boolean): void };
  end(): void;
}

/** Goes on from the `traceparent` in the item's metadata, where whoever made the session has put it. */
export function startSessionTrace(of: {
  environment: string;
  item: string;
  metadata: Readonly<Record<string, string>> | null | undefined;
}): SessionTrace {
  const traceparent = wellFormed.exec(of.metadata?.traceparent ?? "")?.[0];
  const parent =
    traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
  const attributes = { "sallyport.environment": of.environment, "sallyport.work": of.item };
  const span = tracer.startSpan("environment session", { kind: SpanKind.CONSUMER, attributes }, parent);
  const inside = trace.setSpan(parent, span);
  return {
    call: (tool) => {
      const name = tool.slice(0, 128);
      const one = tracer.startSpan(
        `execute_tool ${name}`,
        { attributes: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name } },
        inside,
      );
      return {
        traceId: traceIdOf(one) ?? traceparent?.slice(3, 35),
        end: (isError) => {
          if (isError) one.setStatus({ code: SpanStatusCode.ERROR });
          one.end();
        },
      };
    },
    end: () => span.end(),
  };
}

/** Without an SDK there is no trace of ours; a caller's is still the one to put on record. */
function traceIdOf(span: Span): string | undefined {
  const { traceId } = span.spanContext();
  return /^0+$/.test(traceId) ? undefined : traceId;
}
