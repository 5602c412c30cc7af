import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { replaceSseData, SseSplitter, sseData } from "./sse.ts";

function split(chunks: readonly Uint8Array[], maxEventBytes = 1 << 16) {
  const splitter = new SseSplitter({ maxEventBytes });
  const raws: string[] = [];
  for (const chunk of chunks) {
    const step = splitter.push(chunk);
    if (!step.ok) return { problem: step.problem, raws };
    raws.push(...step.events.map((event) => Buffer.from(event.raw).toString("latin1")));
  }
  return { raws, rest: Buffer.from(splitter.end()).toString("latin1") };
}

const stream = fc
  .array(
    fc.constantFrom("data: a", "data:b", "id: 1", ":", "é", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\ufeff"),
    {
      maxLength: 30,
    },
  )
  .map((parts) => Buffer.from(parts.join("")));

describe("SseSplitter", () => {
  it("finds the same events however the stream is chunked, and keeps every byte", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 60 })), (bytes, cuts) => {
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const whole = split([bytes]);
        expect(split(chunks)).toEqual(whole);
        expect(whole.raws.join("") + whole.rest).toBe(bytes.toString("latin1"));
      }),
    );
  });

  it.each([
    ["data: 1\n\ndata: 2\n\n", ["data: 1\n\n", "data: 2\n\n"], ""],
    ["data: 1\r\n\r\ndata: 2\r\n\r\n", ["data: 1\r\n\r\n", "data: 2\r\n\r\n"], ""],
    ["data: 1\r\rdata: 2\r\r", ["data: 1\r\r"], "data: 2\r\r"],
    ["\ndata: 1\n", ["\n"], "data: 1\n"],
    [": ping\n\n", [": ping\n\n"], ""],
  ])("cuts %j", (text, raws, rest) => {
    expect(split([Buffer.from(text)])).toEqual({ raws, rest });
  });

  it("refuses an event larger than allowed, from then on", () => {
    expect(split([Buffer.from("data: 1\n\n")], 9)).toMatchObject({ raws: ["data: 1\n\n"] });
    expect(split([Buffer.from("data: 12\n\n")], 9)).toMatchObject({ problem: "event-too-large" });
    const splitter = new SseSplitter({ maxEventBytes: 4 });
    expect(splitter.push(Buffer.from("data: never ending"))).toMatchObject({ ok: false });
    expect(splitter.push(Buffer.from("\n\n"))).toMatchObject({ ok: false });
    expect(splitter.end()).toHaveLength(0);
  });
});

describe("an event's data", () => {
  it("is its data lines joined", () => {
    expect(sseData(Buffer.from("id: 1\ndata: a\r\ndata:b\rdata\ndata:  c\n\n"))).toBe("a\nb\n\n c");
    expect(sseData(Buffer.from("\ufeffdata: a\n\n"))).toBe("a");
    expect(sseData(Buffer.from(": ping\nid: 1\n\n"))).toBeUndefined();
  });

  it("can be replaced while every other line stays", () => {
    const raw = Buffer.from("event: message\r\ndata: old\r\nid: 5\r\ndata: old too\r\n: c\r\n\r\n");
    expect(replaceSseData(raw, "x\ny").toString()).toBe(
      "event: message\r\ndata: x\r\ndata: y\r\nid: 5\r\n: c\r\n\r\n",
    );
  });

  it("reads back as what it was replaced with", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/\r/.test(text)),
        (data) => {
          expect(sseData(replaceSseData(Buffer.from("id: 1\ndata: old\n\n"), data))).toBe(data);
        },
      ),
    );
  });
});
