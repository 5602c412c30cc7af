import { propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { EgressRecord } from "@sallyport/sandbox-egress";

const tracer = trace.getTracer("sallyport.runner");

/** A request of a sandbox, as it was decided, under the call that it was made in. The path's query is never in it. */
export function egressSpan(traceparent: string | undefined, record: EgressRecord): void {
  if (traceparent === undefined) return;
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent });
  const { method, scheme, host, port, path, outcome, ruleId, reason } = record;
  const span = tracer.startSpan(
    `egress ${method} ${host}`,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "http.request.method": method,
        "url.scheme": scheme,
        "server.address": host,
        "server.port": port,
        "url.path": path,
        "sallyport.decision": outcome,
        ...(ruleId === undefined ? {} : { "sallyport.rule": ruleId }),
      },
    },
    parent,
  );
  if (outcome !== "allowed") span.setStatus({ code: SpanStatusCode.ERROR, message: reason ?? outcome });
  span.end();
}
