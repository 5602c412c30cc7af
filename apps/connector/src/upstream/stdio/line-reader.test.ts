import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineReader } from "./line-reader.ts";

describe("reading lines", () => {
  it("gives the same lines however the stream is cut into chunks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1 }).map((s) => s.replaceAll("\n", "x"))),
        fc.integer({ min: 1, max: 9 }),
        (lines, size) => {
          const stream = Buffer.from(lines.map((line) => `${line}\n`).join(""));
          const reader = new LineReader(10_000);
          const read: string[] = [];
          for (let at = 0; at < stream.length; at += size) {
            const step = reader.push(stream.subarray(at, at + size));
            if (step.ok) read.push(...step.lines.map((line) => Buffer.from(line).toString()));
          }
          expect(read).toEqual(lines);
        },
      ),
    );
  });

  it("stops at a line over the bound, before its end has come, and stays stopped", () => {
    const reader = new LineReader(4);
    expect(reader.push(Buffer.from("1234\n123")).ok).toBe(true);
    expect(reader.push(Buffer.from("45")).ok).toBe(false);
    expect(reader.push(Buffer.from("\nok\n")).ok).toBe(false);
  });
});
