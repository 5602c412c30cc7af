import fc from "fast-check";
import { expect, test } from "vitest";
import { safeJson } from "./safe-json.ts";

test("a parser reads the same value, and a terminal is shown nothing that it would obey", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(
    fc.property(fc.dictionary(text, fc.oneof(text, fc.array(text), fc.integer())), (value) => {
      for (const indent of [undefined, 2]) {
        const json = safeJson(value, indent);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(json.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}\p{Cs}]/u);
      }
    }),
  );
});

test("letters stay letters, and one line stays one line", () => {
  expect(safeJson({ a: "Grüße\n" })).toBe('{"a":"Grüße\\n"}');
});
