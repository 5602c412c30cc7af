import { stripVTControlCharacters } from "node:util";
import type { Span } from "@sallyport/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { renderWaterfall } from "./waterfall.ts";

const base = 1_764_000_000_000_000_000n;

/** A span by its times in microseconds since the trace's begin. */
function span(id: string, times: [number, number], more: Partial<Span> = {}): Span {
  const at = (us: number) => String(base + BigInt(us) * 1000n);
  return {
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: id.padStart(16, "0"),
    zone: "edge",
    instance: "e1",
    name: id,
    kind: "server",
    start: at(times[0]),
    end: at(times[1]),
    attributes: {},
    ...more,
  };
}
const child = (parent: string) => ({ parentId: parent.padStart(16, "0") });

const call = [
  span("c", [12_000, 18_000], {
    ...child("b"),
    zone: "broker",
    name: "lease crm-token",
    error: "vault is sealed",
  }),
  span("a", [0, 20_000], { name: "tools/call lookup" }),
  span("b", [2_000, 19_500], { ...child("a"), zone: "connector", name: "tools/call lookup" }),
  span("d", [2_100, 2_740], { ...child("b"), zone: "connector", name: "decide" }),
];

test("a trace is a tree in order of time, with zone, bar, duration and errors", () => {
  expect(renderWaterfall(call, { color: false, width: 80 })).toBe(
    [
      "trace 4bf92f3577b34da6a3ce929d0e0e4736: 4 spans, 20.0 ms, 1 error",
      "edge      tools/call lookup                 ███████████████████████████  20.0 ms",
      "connector └ tools/call lookup                 ████████████████████████   17.5 ms",
      "connector   └ decide                          █                           640 µs",
      "broker      └ ✗ lease crm-token: vault is …                 ████████      6.0 ms",
      "",
    ].join("\n"),
  );
});

test("colour changes nothing but colour; without it there is no escape sequence", () => {
  const plain = renderWaterfall(call, { color: false, width: 80 });
  const coloured = renderWaterfall(call, { color: true, width: 80 });
  expect(plain).not.toContain("\x1b");
  expect(coloured).toContain("\x1b[36m");
  expect(stripVTControlCharacters(coloured)).toBe(plain);
});

test("a span whose parent is missing is a root", () => {
  const lines = renderWaterfall([span("a", [0, 1], child("gone")), span("b", [1, 2], child("a"))], {
    color: false,
    width: 60,
  }).split("\n");
  expect(lines[1]).toMatch(/^edge a /);
  expect(lines[2]).toMatch(/^edge └ b/);
});

test("spans that are each other's ancestors are shown once each", () => {
  const loop = [span("a", [0, 5], child("b")), span("b", [1, 5], child("a")), span("c", [2, 3], child("c"))];
  expect(renderWaterfall(loop, { color: false, width: 60 }).trimEnd().split("\n")).toHaveLength(4);
});

test("a trace as deep as an answer may hold is drawn", () => {
  const deep = Array.from({ length: 2000 }, (_, n) =>
    span(`${n}`, [n, 4000], n === 0 ? {} : child(`${n - 1}`)),
  );
  expect(renderWaterfall(deep, { color: false, width: 80 }).trimEnd().split("\n")).toHaveLength(2001);
});

test("no spans are said in words", () => {
  expect(renderWaterfall([], { color: true, width: 80 })).toBe("no spans\n");
});

test("whatever the spans hold, each is one line that fits the width and cannot command the terminal", () => {
  const text = fc.string({ unit: "binary", maxLength: 300 });
  const id = fc.constantFrom("a", "b", "c", "d");
  const time = fc.nat(10_000_000);
  const anySpan = fc
    .record({
      id,
      parent: fc.option(id),
      start: time,
      length: time,
      name: text,
      zone: text,
      error: fc.option(text),
    })
    .map(({ id, parent, start, length, name, zone, error }) =>
      span(id, [start, start + length], {
        name,
        zone,
        ...(parent === null ? {} : child(parent)),
        ...(error === null ? {} : { error }),
      }),
    );
  fc.assert(
    fc.property(
      fc.array(anySpan, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 50, max: 300 }),
      (spans, width) => {
        const lines = renderWaterfall(spans, { color: false, width }).trimEnd().split("\n");
        expect(lines).toHaveLength(spans.length + 1);
        for (const line of lines) {
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
          if (!line.startsWith("trace")) expect(line.length).toBeLessThanOrEqual(width);
        }
      },
    ),
  );
});
