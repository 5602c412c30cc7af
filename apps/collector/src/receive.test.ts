import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { ServiceError, Span } from "@sallyport/contracts";
import { mcpDuration, startTelemetry } from "@sallyport/runtime";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkSender, readSpans } from "./receive.ts";

const edge = { zone: "edge", instance: "e1" };

/** What a zone's own telemetry sends, by signal. */
async function exported(work: () => void): Promise<Map<string, Uint8Array>> {
  const sent = new Map<string, Uint8Array>();
  const telemetry = startTelemetry({
    ...edge,
    version: "0.1.0",
    publish: (signal, payload) => sent.set(signal, payload).size > 0,
  });
  work();
  await telemetry.close();
  return sent;
}

type Part = (writer: BinaryWriter) => void;
const message = (...parts: Part[]) => {
  const writer = new BinaryWriter();
  for (const part of parts) part(writer);
  return writer.finish();
};
const nested =
  (field: number, ...parts: Part[]): Part =>
  (writer) =>
    writer.tag(field, WireType.LengthDelimited).bytes(message(...parts));
const raw =
  (field: number, bytes: Uint8Array): Part =>
  (writer) =>
    writer.tag(field, WireType.LengthDelimited).bytes(bytes);
const text =
  (field: number, value: string): Part =>
  (writer) =>
    writer.tag(field, WireType.LengthDelimited).string(value);
const attribute = (field: number, key: string, ...value: Part[]) =>
  nested(field, text(1, key), nested(2, ...value));
const resource = (name: string, instance: string) =>
  nested(
    1,
    attribute(1, "service.name", text(1, name)),
    attribute(1, "service.instance.id", text(1, instance)),
  );
const own = resource("sallyport.edge", "e1");
const spans = (...all: Part[][]) =>
  message(nested(1, own, nested(2, ...all.map((parts) => nested(2, ...parts)))));
const ids = [raw(1, new Uint8Array(16).fill(1)), raw(2, new Uint8Array(8).fill(2))];

test("spans of the SDK are read with their kind, parent, error and attributes, and fit the contract", async () => {
  const sent = await exported(() => {
    const tracer = trace.getTracer("test");
    const parent = tracer.startSpan("tools/call lookup", {
      kind: SpanKind.SERVER,
      attributes: {
        "mcp.method.name": "tools/call",
        count: 3,
        ratio: 0.5,
        negative: -7,
        ok: true,
        list: ["a", "b"],
      },
    });
    const child = tracer.startSpan(
      "lease",
      { kind: SpanKind.CLIENT },
      trace.setSpan(context.active(), parent),
    );
    child.setStatus({ code: SpanStatusCode.ERROR, message: "vault is sealed" });
    child.end();
    parent.end();
  });
  const found = readSpans(sent.get("traces") ?? new Uint8Array(), edge);
  for (const span of found) Span.parse(span);
  const parent = found.find(({ name }) => name === "tools/call lookup");
  const child = found.find(({ name }) => name === "lease");
  expect(parent).toMatchObject({
    zone: "edge",
    instance: "e1",
    kind: "server",
    attributes: {
      "mcp.method.name": "tools/call",
      count: 3,
      ratio: 0.5,
      negative: -7,
      ok: true,
      list: "a, b",
    },
  });
  expect(parent).not.toHaveProperty("parentId");
  expect(child).toMatchObject({ kind: "client", parentId: parent?.spanId, traceId: parent?.traceId });
  expect(child?.error).toBe("vault is sealed");
  expect(BigInt(child?.end ?? 0) >= BigInt(child?.start ?? 1)).toBe(true);
});

test("what a zone sends of each signal is taken in its own name", async () => {
  const sent = await exported(() => {
    trace.getTracer("test").startSpan("a").end();
    mcpDuration("server")(0.1, { method: "ping" });
  });
  expect([...sent.keys()].sort()).toEqual(["metrics", "traces"]);
  for (const [signal, payload] of sent) expect(() => checkSender(payload, { ...edge, signal })).not.toThrow();
});

test.each([
  ["another zone's name", resource("sallyport.broker", "e1")],
  ["another instance's name", resource("sallyport.edge", "e2")],
  [
    "its own name and then another's",
    nested(
      1,
      attribute(1, "service.name", text(1, "sallyport.edge")),
      attribute(1, "service.instance.id", text(1, "e1")),
      attribute(1, "service.name", text(1, "sallyport.broker")),
    ),
  ],
  ["no name", nested(1)],
  ["no resource", text(3, "schema")],
  [
    "a name that is a number",
    nested(
      1,
      attribute(1, "service.name", (w) => w.tag(3, WireType.Varint).int64(1n)),
    ),
  ],
])("telemetry with %s is refused", (_, part) => {
  for (const signal of ["traces", "metrics", "logs"]) {
    expect(() => checkSender(message(nested(1, part)), { ...edge, signal })).toThrow(ServiceError);
  }
});

test("one group in the own name does not carry another in a foreign one", () => {
  const both = message(nested(1, own), nested(1, resource("sallyport.broker", "b1")));
  expect(() => checkSender(both, { ...edge, signal: "traces" })).toThrow("another than its sender");
});

test("empty telemetry and an unknown signal are refused", () => {
  expect(() => checkSender(new Uint8Array(), { ...edge, signal: "traces" })).toThrow("is empty");
  expect(() => checkSender(message(nested(1, own)), { ...edge, signal: "secrets" })).toThrow(
    "unknown signal",
  );
});

test("a span without valid ids, or that ends before it starts, is left out", () => {
  const time = (field: number, value: bigint) => (w: BinaryWriter) =>
    void w.tag(field, WireType.Bit64).fixed64(value);
  const [traceId, spanId] = ids as [Part, Part];
  expect(readSpans(spans([traceId, spanId]), edge)).toHaveLength(1);
  const wrong = [
    [traceId],
    [spanId],
    [raw(1, new Uint8Array(16)), spanId],
    [raw(1, new Uint8Array(15).fill(1)), spanId],
    [traceId, spanId, time(7, 5n), time(8, 4n)],
    [traceId, spanId, time(7, 2n ** 63n), time(8, 2n ** 63n)],
  ];
  expect(readSpans(spans(...wrong), edge)).toEqual([]);
});

test("names, attributes and their number are bounded", () => {
  const many = Array.from({ length: 500 }, (_, n) => attribute(9, `key-${n}`, text(1, "x".repeat(5000))));
  const [span] = readSpans(spans([...ids, text(5, "n".repeat(10_000)), ...many]), edge);
  expect(span?.name).toHaveLength(256);
  expect(Object.keys(span?.attributes ?? {})).toHaveLength(64);
  expect(String(span?.attributes["key-0"])).toHaveLength(1024);
});

test("more spans than a payload may hold are refused", () => {
  expect(() => readSpans(spans(...Array.from({ length: 4097 }, () => ids)), edge)).toThrow("more than 4096");
});

test("lists nested in lists are not followed", () => {
  let deep = message(text(1, "x"));
  // A skipped field in front, so that the list is not the first thing in its message.
  for (let depth = 0; depth < 3000; depth++) deep = message(text(99, ""), nested(5, raw(1, deep)));
  const [span] = readSpans(spans([...ids, attribute(9, "deep", (w) => void w.raw(deep))]), edge);
  expect(span?.attributes.deep).toBe("");
});

test("a key named __proto__ stays a key", () => {
  const [span] = readSpans(spans([...ids, attribute(9, "__proto__", text(1, "x"))]), edge);
  expect(Object.keys(span?.attributes ?? {})).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(span?.attributes)).toBe(Object.prototype);
});

test("whatever bytes come, they are read or refused as invalid", () => {
  const good = spans([...ids, text(5, "n"), attribute(9, "k", text(1, "v"))]);
  const damaged = fc
    .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 })
    .map((changes) => {
      const copy = good.slice();
      for (const [at, byte] of changes) copy[at] = byte;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (payload) => {
      for (const read of [
        () => checkSender(payload, { ...edge, signal: "traces" }),
        () => readSpans(payload, edge),
      ]) {
        try {
          read();
        } catch (error) {
          expect(error).toMatchObject({ name: "ServiceError", code: "invalid" });
        }
      }
    }),
    { numRuns: 500 },
  );
});
