import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStrict } from "./strict-json.ts";

const limits = { maxBytes: 1 << 20 };
const read = (text: string, more = {}) => parseStrict(Buffer.from(text), { ...limits, ...more });
const problem = (text: string, more = {}) => {
  const reading = read(text, more);
  return reading.ok ? "none" : reading.problem;
};

const anyJson = fc.json({ maxDepth: 5 }).filter((text) => !text.includes("__proto__"));

/** Random objects as text, with a list of every place where a key stands. */
const objectText = fc
  .dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1, maxKeys: 6 })
  .filter((object) => !JSON.stringify(object).includes("__proto__"));

const escapeAll = (key: string) =>
  `"${[...Array(key.length).keys()].map((at) => `\\u${key.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")}"`;

describe("parseStrict", () => {
  it("reads what JSON.parse reads when no key is repeated", () => {
    fc.assert(
      fc.property(anyJson, (text) => {
        const reading = read(text);
        expect(reading.ok && reading.value).toEqual(JSON.parse(text));
      }),
    );
  });

  it("accepts nothing that JSON.parse refuses", () => {
    fc.assert(
      fc.property(anyJson, fc.nat(), fc.string({ maxLength: 2 }), (text, position, junk) => {
        const at = position % (text.length + 1);
        const broken = text.slice(0, at) + junk + text.slice(at);
        if (read(broken).ok) expect(() => JSON.parse(broken) as unknown).not.toThrow();
      }),
    );
  });

  it("finds a repeated key wherever it is put and however it is escaped", () => {
    fc.assert(
      fc.property(
        objectText,
        fc.nat(),
        fc.boolean(),
        // One that is refused for a key of its own would be refused before the repeated key is met.
        fc
          .array(fc.jsonValue(), { maxLength: 3 })
          .filter((around) => problem(JSON.stringify(around)) === "none"),
        (object, pick, escaped, around) => {
          const keys = Object.keys(object);
          const key = keys[pick % keys.length] ?? "";
          const again = escaped ? escapeAll(key) : JSON.stringify(key);
          const doubled = `${JSON.stringify(object).slice(0, -1)} , ${again} : null }`;
          const document = JSON.stringify([...around, "HERE", ...around]).replace('"HERE"', () => doubled);
          expect(problem(document)).toBe("duplicate-key");
        },
      ),
    );
  });

  it.each([
    ['{"a":1,"a":2}', "duplicate-key"],
    ['{"a":1,"\\u0061":2}', "duplicate-key"],
    ['{"x":[{"b":{"c":1 , "c":1}}]}', "duplicate-key"],
    ['{"__proto__":{}}', "forbidden-key"],
    ['{"\\u005f_proto__":{}}', "forbidden-key"],
    ['{"a":"\\ud800"}', "lone-surrogate"],
    ['{"\\uDC00":1}', "lone-surrogate"],
    ['{"a":1e999}', "number-out-of-range"],
    ["-1E400", "number-out-of-range"],
    [`[${"9".repeat(400)}]`, "number-out-of-range"],
    ['{"a":1,}', "syntax"],
    ['{"a":"\\q"}', "syntax"],
    ["", "syntax"],
    ['"open', "syntax"],
    ["\ufeff{}", "byte-order-mark"],
  ])("refuses %s as %s", (text, expected) => {
    expect(problem(text)).toBe(expected);
  });

  it.each([
    '{"a":{"a":1},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":["a","a"]}',
    '{"k":"\\"k\\":1,\\"k\\":2"}',
    '{"a\\\\":1,"a":2}',
    '{"a":"\\ud83d\\ude00"}',
    '{"a":"\\\\ud800"}',
    '{"a":1.5e300}',
  ])("accepts %s", (text) => {
    expect(read(text)).toMatchObject({ ok: true, value: JSON.parse(text) as unknown });
  });

  it("refuses bytes that are not UTF-8", () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]);
    expect(parseStrict(bytes, limits)).toEqual({ ok: false, problem: "invalid-utf8" });
  });

  it("refuses more bytes than allowed before it looks at them", () => {
    expect(parseStrict(new Uint8Array([0xff, 0xff]), { maxBytes: 1 })).toEqual({
      ok: false,
      problem: "too-large",
    });
  });

  it("accepts the depth allowed and refuses one level more", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(problem(nested(64))).toBe("none");
    expect(problem(nested(65))).toBe("too-deep");
    expect(problem(nested(100_000))).toBe("too-deep");
  });

  it("accepts the number of keys allowed and refuses one more", () => {
    const wide = (count: number) =>
      `[{"a":1},{${[...Array(count - 1).keys()].map((n) => `"${n}":0`).join()}}]`;
    expect(problem(wide(10), { maxKeys: 10 })).toBe("none");
    expect(problem(wide(11), { maxKeys: 10 })).toBe("too-many-keys");
  });

  it("says where the trouble is", () => {
    expect(read('{"a":1,"a":2}')).toEqual({ ok: false, problem: "duplicate-key", at: 7 });
  });
});
