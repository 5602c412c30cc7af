import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { ExchangeHead, ServiceError } from "@sallyport/contracts";
import { type Message, subjectOf } from "@sallyport/mcp";

const tracer = trace.getTracer("sallyport.connector");

/** The spans of one call in this zone: the call, and what it spends its time on. Names and ids, never contents. */
export interface CallSpans {
  readonly traceId: string | undefined;
  /** A step that takes no waiting. */
  step<T>(name: string, work: () => T): T;
  /** A step that waits; what it starts elsewhere hangs under the traceparent that it is given. */
  during<T>(name: string, work: (traceparent: string | undefined) => Promise<T>): Promise<T>;
  /** The request to the upstream. */
  upstream(): {
    trace: { traceparent: string; tracestate?: string } | undefined;
    end(outcome: SpanOutcome): void;
  };
  end(outcome: SpanOutcome): void;
}

interface SpanOutcome {
  status?: number | undefined;
  error?: ServiceError | undefined;
}

export function startCallSpans(head: ExchangeHead, messages: readonly Message[]): CallSpans {
  if (head.trace && !isSampled(head.trace.traceparent)) {
    return unsampled(head.trace.traceparent, head.trace.tracestate);
  }
  const parent = head.trace ? propagation.extract(ROOT_CONTEXT, head.trace) : ROOT_CONTEXT;
  const message = messages[0];
  const subject = message && subjectOf(message);
  const method = subject?.action ?? `${head.method} stream`;
  const target = subject?.target ?? "";
  const what = (target === "" ? method : `${method} ${target}`).slice(0, 200);
  const attributes = {
    "mcp.method.name": method,
    "sallyport.server": head.server,
    ...(method === "tools/call"
      ? { "gen_ai.tool.name": target.slice(0, 128), "gen_ai.operation.name": "execute_tool" }
      : {}),
  };
  const span = tracer.startSpan(`gate ${what}`, { kind: SpanKind.SERVER, attributes }, parent);
  const inside = trace.setSpan(context.active(), span);
  const child = (name: string, kind: SpanKind = SpanKind.INTERNAL) =>
    tracer.startSpan(name, { kind }, inside);
  const { traceId } = span.spanContext();
  return {
    traceId: /^0+$/.test(traceId) ? undefined : traceId,
    step: (name, work) => {
      const step = child(name);
      try {
        return work();
      } finally {
        step.end();
      }
    },
    during: async (name, work) => {
      const step = child(name);
      try {
        return await work(carrierOf(trace.setSpan(inside, step))?.traceparent);
      } catch (error) {
        step.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        step.end();
      }
    },
    upstream: () => {
      const request = tracer.startSpan(`upstream ${what}`, { kind: SpanKind.CLIENT, attributes }, inside);
      return {
        trace: carrierOf(trace.setSpan(inside, request)),
        end: (outcome) => endSpan(request, outcome),
      };
    },
    end: (outcome) => endSpan(span, outcome),
  };
}

/** A trace that nobody keeps costs next to nothing: its context goes on, and no span is made for any step. */
function unsampled(traceparent: string, tracestate: string | undefined): CallSpans {
  const onward = tracestate === undefined ? { traceparent } : { traceparent, tracestate };
  return {
    traceId: traceparent.slice(3, 35),
    step: (_name, work) => work(),
    during: (_name, work) => work(traceparent),
    upstream: () => ({ trace: onward, end: () => undefined }),
    end: () => undefined,
  };
}

/** W3C Trace Context: the lowest bit of the last two digits says whether the caller keeps the trace. */
function isSampled(traceparent: string): boolean {
  return (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1;
}

function endSpan(span: Span, { status, error }: SpanOutcome): void {
  if (status !== undefined) span.setAttribute("http.response.status_code", status);
  if (error) {
    span.setAttribute("error.type", error.code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}

function carrierOf(of: Context): { traceparent: string; tracestate?: string } | undefined {
  const carrier: { traceparent?: string; tracestate?: string } = {};
  propagation.inject(of, carrier);
  const { traceparent, tracestate } = carrier;
  if (traceparent === undefined) return undefined;
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}
