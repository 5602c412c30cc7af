import { describe, expect, it } from "vitest";
import { subjectOf } from "./subject.ts";
import { traceContextOf } from "./trace-context.ts";

describe("subjectOf", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["tools/call", { name: "t" }, "t"],
    ["prompts/get", { name: "p" }, "p"],
    ["resources/read", { uri: "file:///a" }, "file:///a"],
    ["resources/subscribe", { uri: "u" }, "u"],
    ["completion/complete", { ref: { type: "ref/prompt", name: "p" } }, "p"],
    ["completion/complete", { ref: { type: "ref/resource", uri: "u" } }, "u"],
    ["completion/complete", { ref: 1 }, ""],
    ["tasks/cancel", { taskId: "7" }, "7"],
    ["tasks/cancel", { taskId: 7 }, ""],
    ["tools/list", { name: "ignored" }, ""],
  ])("of %s %j is about %j", (method, params, target) => {
    for (const kind of ["notification", "request"] as const)
      expect(subjectOf({ kind, id: 1, method, params })).toEqual({ action: method, target });
  });

  it("hands over the arguments", () => {
    const message = {
      kind: "request",
      id: 1,
      method: "tools/call",
      params: { name: "t", arguments: { a: 1 } },
    } as const;
    expect(subjectOf(message)).toEqual({ action: "tools/call", target: "t", arguments: { a: 1 } });
  });

  it("of a response is nothing", () => {
    expect(subjectOf({ kind: "response", id: 1, ok: true })).toBeUndefined();
  });
});

describe("traceContextOf", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const of = (meta: unknown) => traceContextOf({ _meta: meta });

  it("reads the three members of _meta", () => {
    const all = {
      traceparent,
      tracestate: "congo=t61rcWkgMzE,rojo@v=00f067aa0ba902b7",
      baggage: "userId=a, k=v;p=1",
    };
    expect(of({ ...all, other: 1 })).toEqual(all);
    expect(of({ traceparent: `01${traceparent.slice(2)}-more` })).toBeDefined();
  });

  it.each([
    undefined,
    {},
    { traceparent: 1 },
    { traceparent: "" },
    { traceparent: traceparent.toUpperCase() },
    { traceparent: `${traceparent}-more` },
    { traceparent: `ff${traceparent.slice(2)}` },
    { traceparent: traceparent.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32)) },
    { traceparent: traceparent.replace("b7ad6b7169203331", "0".repeat(16)) },
    { traceparent: `${traceparent}\r\nx: y` },
    { tracestate: "a=b" },
  ])("finds none in %j", (meta) => {
    expect(of(meta)).toBeUndefined();
  });

  it.each([
    { tracestate: "no-equals" },
    { tracestate: "UPPER=1" },
    { tracestate: `a=${"x".repeat(600)}` },
    { tracestate: [...Array(33).keys()].map((n) => `a${n}=1`).join() },
    { tracestate: "a=1\r\nb: c" },
    { tracestate: 5 },
    { baggage: "a=1\r\nb: c" },
    { baggage: "" },
    { baggage: "ä=1" },
    { baggage: "x".repeat(8193) },
  ])("leaves out what is not well formed: %j", (meta) => {
    expect(of({ traceparent, ...meta })).toEqual({ traceparent });
  });
});
