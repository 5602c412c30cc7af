import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical.ts";

test("is the text of RFC 8785: sorted by code units, no white space, numbers as ECMAScript writes them", () => {
  const value = {
    "\u20ac": "Euro",
    "\r": "CR",
    "1": [1e30, 4.5, 0.002, -0],
    b: { z: null, a: true },
    "\ud83d\ude02": 1,
  };
  expect(canonicalJson(value)).toBe(
    '{"\\r":"CR","1":[1e+30,4.5,0.002,0],"b":{"a":true,"z":null},"\u20ac":"Euro","\ud83d\ude02":1}',
  );
});

/** The same value with every object's keys the other way round. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, one]) => [key, turned(one)]),
  );
}

test("does not know in which order keys were written, and loses nothing", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(turned(value))).toBe(text);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test.each([[undefined], [() => 1], [Symbol("x")]])("%s has no JSON, and is refused", (value) => {
  expect(() => canonicalJson(value)).toThrow(TypeError);
});
