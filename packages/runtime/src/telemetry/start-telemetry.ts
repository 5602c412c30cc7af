import { context, DiagLogLevel, diag, metrics, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Log } from "../logs/logger.ts";
import { metricExporter, spanExporter } from "./exporters.ts";
import { Outlet, type Publish } from "./outlet.ts";

export interface TelemetryOptions {
  zone: string;
  instance: string;
  version: string;
  publish: Publish;
  /** The share of traces that begin here which are kept, 0 to 1. A trace that came in keeps its caller's choice. */
  sampleRatio?: number;
  log?: Pick<Log, "warn">;
  /** How long a finished span waits for company, and how often metrics are sent. */
  intervals?: { spansMs?: number; metricsMs?: number };
}

export interface Telemetry {
  /** Spans and metrics lost so far. */
  readonly dropped: number;
  /** Sends what is left, in three seconds at most. */
  close(): Promise<void>;
}

const closeMs = 3000;

/**
 * Makes the API's tracers and meters real for this process and exports over `publish` as OTLP protobuf. The only place
 * that knows the SDK. Take meters after it has started: the API gives one that does nothing before.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { zone, instance, version, publish, sampleRatio = 1, log, intervals = {} } = options;
  const warn = (fields: object, message: string) => log?.warn(fields, message);
  const outlet = new Outlet(publish, warn);
  const resource = resourceFromAttributes({
    "service.name": `sallyport.${zone}`,
    "service.version": version,
    "service.instance.id": instance,
    "sallyport.zone": zone,
  });
  const tracers = new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanLimits: {
      attributeValueLengthLimit: 1024,
      attributeCountLimit: 64,
      eventCountLimit: 32,
      linkCountLimit: 16,
    },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: spanExporter(outlet),
        maxQueueSize: 4096,
        maxExportBatchSize: 512,
        scheduledDelayMillis: intervals.spansMs ?? 1000,
        exportTimeoutMillis: 30_000,
      }),
    ],
  });
  const meters = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exporter: metricExporter(outlet),
        exportIntervalMillis: intervals.metricsMs ?? 15_000,
        exportTimeoutMillis: Math.min(10_000, intervals.metricsMs ?? 10_000),
      }),
    ],
  });

  // The SDK's own complaints, such as spans dropped from a full queue, go to the log like any other.
  const complain = (message: string) => warn({ from: "opentelemetry" }, message);
  const ignore = () => {};
  diag.setLogger(
    { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  );
  trace.setGlobalTracerProvider(tracers);
  metrics.setGlobalMeterProvider(meters);
  metrics
    .getMeter("sallyport.runtime")
    .createObservableCounter("sallyport.telemetry.dropped", {
      description: "Spans and metrics lost on their way.",
    })
    .addCallback((result) => result.observe(outlet.dropped));

  const shutDown = async () => {
    await within(Promise.allSettled([tracers.shutdown(), meters.shutdown()]), closeMs);
    for (const api of [trace, metrics, context, propagation, diag]) api.disable();
  };
  let closing: Promise<void> | undefined;
  return {
    get dropped() {
      return outlet.dropped;
    },
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
}

async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
