import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseStrictJson } from "./strict-json.ts";

describe("strict JSON", () => {
  test("reads whatever JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("finds a name that stands twice in one object, wherever that is", () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), fc.json(), (name, before, between) => {
        const key = JSON.stringify(name);
        const text = `[${before}, {"${"x".repeat(300)}": ${before}, ${key}: ${between}, ${key} : 1}]`;
        expect(() => parseStrictJson(text)).toThrow("duplicate name");
      }),
    );
  });

  test.each([
    '{"a":1,"\\u0061":2}',
    '{"a":{},"a":{}}',
    '{"a":[{"b":1,"b":2}]}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
  ])("refuses %s", (text) => {
    expect(() => parseStrictJson(text)).toThrow("duplicate name");
  });

  test.each([
    '{"a":"a","b":"a:"}',
    '[{"a":1},{"a":2}]',
    '{"a":{"a":{"a":"}"}}}',
    '["{\\"a\\":1,\\"a\\":2}"]',
  ])("accepts %s", (text) => {
    expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });
});
