import { ExportResultCode } from "@opentelemetry/core";
import { ProtobufMetricsSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type {
  MetricData,
  PushMetricExporter,
  ResourceMetrics,
  ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { Outlet } from "./outlet.ts";

/** Both answer success whatever happens: the outlet counts what is lost, and the SDK has nothing better to do with it. */
const done = { code: ExportResultCode.SUCCESS };

export function spanExporter(outlet: Outlet): SpanExporter {
  return {
    export: (spans, answer) => {
      const sent = outlet.send<ReadableSpan>("traces", spans, (part) =>
        ProtobufTraceSerializer.serializeRequest([...part]),
      );
      void sent.finally(() => answer(done));
    },
    shutdown: async () => {},
  };
}

interface ScopedMetric {
  scope: ScopeMetrics["scope"];
  metric: MetricData;
}

export function metricExporter(outlet: Outlet): PushMetricExporter {
  return {
    export: ({ resource, scopeMetrics }, answer) => {
      const metrics = scopeMetrics.flatMap(({ scope, metrics }) =>
        metrics.map((metric) => ({ scope, metric })),
      );
      const sent = outlet.send<ScopedMetric>("metrics", metrics, (part) =>
        ProtobufMetricsSerializer.serializeRequest({
          resource,
          scopeMetrics: byScope(part),
        } satisfies ResourceMetrics),
      );
      void sent.finally(() => answer(done));
    },
    forceFlush: async () => {},
    shutdown: async () => {},
  };
}

function byScope(metrics: readonly ScopedMetric[]): ScopeMetrics[] {
  return [...Map.groupBy(metrics, ({ scope }) => scope)].map(([scope, entries]) => ({
    scope,
    metrics: entries.map(({ metric }) => metric),
  }));
}
