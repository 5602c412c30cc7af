import {
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { ServiceError } from "@sallyport/contracts";
import { type Message, subjectOf, traceContextOf } from "@sallyport/mcp";
import type { HttpCall } from "./http/http-call.ts";
import type { Caller } from "./tunnel/grants.ts";

const tracer = trace.getTracer("sallyport.edge");
const durations = metrics.getMeter("sallyport.edge").createHistogram("mcp.server.operation.duration", {
  unit: "s",
  description: "Duration of an MCP request as its receiver sees it",
});

export interface CallSpan {
  /** What the connector's spans hang under; undefined when the trace is not sampled. */
  readonly trace: { traceparent: string; tracestate?: string } | undefined;
  end(outcome: { status: number; error?: ServiceError | undefined; gone?: boolean }): void;
}

/**
 * The span of a call, in OTel's MCP conventions. Its parent is the agent's own context: `params._meta` first (SEP-414),
 * then the header. Names and ids only, never arguments or results.
 */
export function startCallSpan(of: {
  call: HttpCall;
  messages: readonly Message[];
  caller: Caller;
}): CallSpan {
  const message = of.messages[0];
  const subject = message && subjectOf(message);
  const method = subject?.action ?? `${of.call.method} stream`;
  const target = subject?.target ?? "";
  const attributes = {
    "mcp.method.name": method,
    "network.transport": "tcp",
    "sallyport.server": of.call.server,
    "gen_ai.agent.id": of.caller.facts.agent,
    ...(method === "tools/call"
      ? { "gen_ai.tool.name": target, "gen_ai.operation.name": "execute_tool" }
      : {}),
    ...(message?.kind === "request" ? { "jsonrpc.request.id": String(message.id).slice(0, 64) } : {}),
  };
  const startedAt = performance.now();
  const name = target === "" ? method : `${method} ${target}`.slice(0, 200);
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parentOf(of.call, message));
  return {
    trace: traceOf(span),
    end: ({ status, error, gone }) => {
      span.setAttribute("http.response.status_code", status);
      if (gone) span.setAttribute("error.type", "client_gone");
      if (error) {
        span.setAttribute("error.type", error.code);
        span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      }
      span.end();
      durations.record((performance.now() - startedAt) / 1000, {
        "mcp.method.name": method,
        ...(error ? { "error.type": error.code } : {}),
      });
    },
  };
}

function parentOf(call: HttpCall, message: Message | undefined) {
  const meta = message && message.kind !== "response" ? traceContextOf(message.params) : undefined;
  const { traceparent, tracestate } = call.request.headers;
  const carrier = meta ?? { traceparent, tracestate };
  return carrier.traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, carrier);
}

function traceOf(span: Span): CallSpan["trace"] {
  const carrier: Record<string, string> = {};
  propagation.inject(trace.setSpan(context.active(), span), carrier);
  const { traceparent, tracestate } = carrier;
  if (traceparent === undefined) return undefined;
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}
