import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { oneLine } from "./one-line.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe("a message on one line", () => {
  it("says the same, and no reader of lines sees two", () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), fc.constantFrom("", "\n", "\r\n"), (json, gap) => {
        const spread = JSON.stringify(JSON.parse(json), undefined, gap === "" ? undefined : 1);
        const body = gap + spread.replaceAll("\n", gap) + gap;
        const line = text(oneLine(Buffer.from(body)));
        expect(line).not.toMatch(/[\n\r\u2028\u2029]/);
        expect(JSON.parse(line)).toEqual(JSON.parse(body));
      }),
    );
  });

  it("escapes the line separators that Node's readline ends a line at", () => {
    expect(text(oneLine(Buffer.from('{"a":"x\u2028y\u2029\\\\\u2028"}')))).toBe(
      '{"a":"x\\u2028y\\u2029\\\\\\u2028"}',
    );
  });

  it("is the same array where nothing is to be changed", () => {
    const body = Buffer.from('{"a":"é 😀"}');
    expect(oneLine(body)).toBe(body);
  });
});
