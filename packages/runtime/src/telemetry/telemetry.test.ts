import { context, propagation, SpanKind, trace } from "@opentelemetry/api";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { createLog } from "../logs/logger.ts";
import { mcp, mcpAttributes, mcpDuration, mcpSpanName } from "./conventions.ts";
import { maxPayloadBytes, Outlet, type Publish } from "./outlet.ts";
import { splitPayloads } from "./split.ts";
import { startTelemetry, type Telemetry, type TelemetryOptions } from "./start-telemetry.ts";

let telemetry: Telemetry | undefined;
afterEach(async () => {
  await telemetry?.close();
  telemetry = undefined;
});

const base = { zone: "edge", instance: "e1", version: "0.1.0" };

function collect(options: Partial<TelemetryOptions> = {}) {
  const sent: { signal: string; payload: Uint8Array }[] = [];
  const warnings: unknown[] = [];
  telemetry = startTelemetry({
    ...base,
    publish: (signal, payload) => sent.push({ signal, payload }) > 0,
    log: { warn: (fields: unknown) => void warnings.push(fields) },
    ...options,
  });
  return { telemetry, sent, warnings };
}

const holds = (payload: Uint8Array, text: string) => Buffer.from(payload).includes(text);

test("spans leave as OTLP protobuf that names zone, instance and version", async () => {
  const { telemetry, sent } = collect();
  trace.getTracer("test").startSpan("tools/call lookup", { kind: SpanKind.SERVER }).end();
  await telemetry.close();
  const traces = sent.filter(({ signal }) => signal === "traces");
  expect(traces).toHaveLength(1);
  for (const text of ["tools/call lookup", "sallyport.edge", "e1", "0.1.0"]) {
    expect(holds(traces[0]?.payload ?? new Uint8Array(), text)).toBe(true);
  }
});

test("metrics leave with the convention's name and labels; invented methods share one", async () => {
  const { telemetry, sent } = collect();
  const record = mcpDuration("server");
  record(0.02, { method: "tools/call", target: "lookup" });
  record(0.02, { method: "made-up-1" }, "-32601");
  await telemetry.close();
  const payload = sent.find(({ signal }) => signal === "metrics")?.payload ?? new Uint8Array();
  for (const text of [
    "mcp.server.operation.duration",
    "lookup",
    "_OTHER",
    "-32601",
    "sallyport.telemetry.dropped",
  ]) {
    expect(holds(payload, text)).toBe(true);
  }
  expect(holds(payload, "made-up-1")).toBe(false);
});

test("a context that came in as traceparent is the parent, across awaits", async () => {
  const { telemetry } = collect();
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const parent = propagation.extract(context.active(), { traceparent });
  await context.with(parent, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    const span = trace.getTracer("test").startSpan("child");
    expect(span.spanContext().traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
    const carrier: Record<string, string> = {};
    propagation.inject(trace.setSpan(context.active(), span), carrier);
    expect(carrier.traceparent).toBe(`00-4bf92f3577b34da6a3ce929d0e0e4736-${span.spanContext().spanId}-01`);
    span.end();
  });
  await telemetry.close();
});

test("a log line inside a span names its trace", async () => {
  const { telemetry } = collect();
  const lines: string[] = [];
  const log = createLog({ zone: "edge", level: "info", to: { write: (line) => void lines.push(line) } });
  const id = trace.getTracer("test").startActiveSpan("call", (span) => {
    log.info("inside");
    span.end();
    return span.spanContext();
  });
  log.info("outside");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ trace_id: id.traceId, span_id: id.spanId });
  expect(lines[1]).not.toContain("trace_id");
  await telemetry.close();
});

test("a sample ratio of 0 keeps nothing that begins here, and still what a caller sampled", async () => {
  const { telemetry, sent } = collect({ sampleRatio: 0 });
  const tracer = trace.getTracer("test");
  tracer.startSpan("begins-here").end();
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  tracer.startSpan("came-in", {}, propagation.extract(context.active(), { traceparent })).end();
  await telemetry.close();
  const traces = sent.filter(({ signal }) => signal === "traces");
  expect(traces.some(({ payload }) => holds(payload, "came-in"))).toBe(true);
  expect(traces.some(({ payload }) => holds(payload, "begins-here"))).toBe(false);
});

test("spans too many for one message are split, and none is lost", async () => {
  const { telemetry, sent } = collect();
  const tracer = trace.getTracer("test");
  const long = Object.fromEntries(
    Array.from({ length: 8 }, (_, index) => [`key-${index}`, "x".repeat(1024)]),
  );
  for (let n = 0; n < 400; n++) tracer.startSpan(`span-${n}.`, { attributes: long }).end();
  await telemetry.close();
  const traces = sent.filter(({ signal }) => signal === "traces").map(({ payload }) => payload);
  expect(traces.length).toBeGreaterThan(6);
  for (const payload of traces) expect(payload.length).toBeLessThanOrEqual(maxPayloadBytes);
  for (let n = 0; n < 400; n++)
    expect(traces.filter((payload) => holds(payload, `span-${n}.`))).toHaveLength(1);
  expect(telemetry.dropped).toBe(0);
});

test("a road that is closed or fails loses spans, counted and said once in the log", async () => {
  for (const publish of [() => false, () => Promise.reject(new Error("NATS is away"))] satisfies Publish[]) {
    const { telemetry, warnings } = collect({ publish });
    for (let n = 0; n < 5; n++) trace.getTracer("test").startSpan("lost").end();
    await telemetry.close();
    expect(telemetry.dropped).toBeGreaterThanOrEqual(5);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ dropped: 5, signal: "traces" });
  }
});

test("a road that stands still holds a bounded number of payloads and drops the rest", async () => {
  const waiting: (() => void)[] = [];
  const outlet = new Outlet(
    () => new Promise<void>((resolve) => void waiting.push(resolve)),
    () => {},
  );
  const sends = Array.from({ length: 20 }, () => outlet.send("traces", [1, 2, 3], () => new Uint8Array(10)));
  await new Promise((resolve) => setImmediate(resolve));
  expect(waiting).toHaveLength(8);
  expect(outlet.dropped).toBe(12 * 3);
  for (const resolve of waiting) resolve();
  await Promise.all(sends);
  await outlet.send("traces", [1], () => undefined);
  expect(outlet.dropped).toBe(12 * 3 + 1);
});

test("a road that never answers does not hold up the stop", async () => {
  const { telemetry } = collect({ publish: () => new Promise(() => {}) });
  trace.getTracer("test").startSpan("stuck").end();
  const started = performance.now();
  await telemetry.close();
  expect(performance.now() - started).toBeLessThan(4500);
});

test("splitting keeps every item that fits, in order, and no payload is over the limit", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(120), { maxLength: 60 }), (sizes) => {
      const size = (items: readonly number[]) => items.reduce((sum, item) => sum + item, 0);
      const seen: number[][] = [];
      const { payloads, dropped } = splitPayloads(sizes, 100, (items) => {
        if (size(items) <= 100) seen.push([...items]);
        return new Uint8Array(size(items));
      });
      expect(seen.flat()).toEqual(sizes.filter((item) => item <= 100));
      expect(dropped).toBe(sizes.filter((item) => item > 100).length);
      expect(payloads.every((payload) => payload.length <= 100)).toBe(true);
    }),
  );
});

test("a span is named by method and target, and a target is a tool or a prompt", () => {
  expect(mcpSpanName({ method: "tools/call", target: "get-weather" })).toBe("tools/call get-weather");
  expect(mcpSpanName({ method: "prompts/get", target: "greet" })).toBe("prompts/get greet");
  expect(mcpSpanName({ method: "resources/read", target: "file:///etc/passwd" })).toBe("resources/read");
  expect(mcpSpanName({ method: "tools/list" })).toBe("tools/list");
  expect(mcpSpanName({ method: "evil/\u0000random-123", target: "x" })).toBe("_OTHER");
});

test("a tool call's attributes are those of the convention", () => {
  expect(mcpAttributes({ method: "tools/call", target: "lookup", protocolVersion: "2026-07-28" })).toEqual({
    "mcp.method.name": "tools/call",
    "gen_ai.tool.name": "lookup",
    "gen_ai.operation.name": "execute_tool",
    "mcp.protocol.version": "2026-07-28",
  });
  expect(mcpAttributes({ method: "prompts/get", target: "greet" })).toEqual({
    "mcp.method.name": "prompts/get",
    [mcp.promptName]: "greet",
  });
  expect(mcpAttributes({ method: "ping" })).toEqual({ "mcp.method.name": "ping" });
});
