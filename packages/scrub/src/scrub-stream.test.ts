import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileScrub } from "./compile-scrub.ts";
import type { BodyKind } from "./scrub-stream.ts";

const utf8 = (text: string) => Buffer.from(text);
const SECRET = 's3cr"et/T0ken+é';
const OTHER = "T0ken+éabc123";
const scrubber = compileScrub([
  { name: "first", value: utf8(SECRET) },
  { name: "second", value: utf8(OTHER), username: "ada" },
]);

function pass(body: Uint8Array, cuts: readonly number[] = [], kind: BodyKind = "text"): string {
  const stream = scrubber.stream(kind);
  const borders = [...new Set([0, ...cuts.map((cut) => cut % (body.length + 1)), body.length])].sort(
    (a, b) => a - b,
  );
  const out = borders.slice(1).map((border, at) => stream.push(body.subarray(borders[at], border)));
  return Buffer.concat([...out, stream.end()]).toString("latin1");
}

/** Beginnings of secrets in several spellings, escapes of other things, and noise; never a whole secret. */
const innocent = fc
  .array(
    fc.oneof(
      fc.integer({ min: 1, max: 8 }).map((length) => SECRET.slice(0, length)),
      fc.integer({ min: 1, max: 8 }).map((length) => JSON.stringify(SECRET.slice(0, length)).slice(1, -1)),
      fc.integer({ min: 1, max: 8 }).map((length) => utf8(SECRET).toString("base64").slice(0, length)),
      fc.integer({ min: 1, max: 8 }).map((length) => utf8(SECRET).toString("hex").slice(0, length)),
      fc.constantFrom("\\", "\\\\\\", "\\u00", "%", "%2", "&", "&#", "\r\n", "\n\n", "[redacted:", "é"),
    ),
    { maxLength: 12 },
  )
  .map((parts) => utf8(parts.join("|")));
const cuts = fc.array(fc.nat(), { maxLength: 8 });

describe("a body without a secret", () => {
  test("passes as the same bytes, however it is cut", () => {
    fc.assert(
      fc.property(innocent, cuts, (body, at) => {
        expect(pass(body, at)).toBe(body.toString("latin1"));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (body, at) => {
        expect(pass(body, at)).toBe(Buffer.from(body).toString("latin1"));
      }),
    );
  });

  test("is not copied", () => {
    const chunk = utf8('{"result":{"content":[{"type":"text","text":"fine \\"words\\" 100%"}]}}');
    const stream = scrubber.stream("json");
    expect(stream.push(chunk)).toBe(chunk);
    expect(stream.end()).toHaveLength(0);
    expect(compileScrub([]).stream("json").push(chunk)).toBe(chunk);
    expect(compileScrub([]).empty).toBe(true);
  });
});

describe("a body with secrets", () => {
  test("comes out the same, however it is cut, and without them", () => {
    const parts = fc.array(
      fc.oneof(innocent.map(String), fc.constantFrom(SECRET, OTHER, JSON.stringify(SECRET))),
    );
    fc.assert(
      fc.property(parts, cuts, (texts, at) => {
        const body = utf8(texts.join("|"));
        const whole = pass(body);
        expect(pass(body, at)).toBe(whole);
        expect(whole).not.toContain(utf8(SECRET).toString("latin1"));
        expect(whole).not.toContain(utf8(OTHER).toString("latin1"));
      }),
    );
  });

  test("loses also the tail of a secret that overlaps the one before it", () => {
    const body = utf8(`<${SECRET}abc123>`); // SECRET ends as OTHER begins
    for (let cut = 0; cut <= body.length; cut++) expect(pass(body, [cut])).toBe("<[redacted:first]>");
  });

  test("loses the longer one of two secrets that begin alike", () => {
    const both = compileScrub([
      { name: "short", value: utf8("abcdefgh") },
      { name: "long", value: utf8("abcdefghijkl") },
    ]);
    const stream = both.stream("text");
    const out = [stream.push(utf8("<abcdefgh")), stream.push(utf8("ijkl>")), stream.end()];
    expect(Buffer.concat(out).toString()).not.toMatch(/ijkl/);
    expect(both.text("<abcdefghijkl>")).toBe("<[redacted:long]>");
    expect(both.text("<abcdefghijk>")).toBe("<[redacted:short]ijk>");
  });

  test("holds back fewer bytes than the longest spelling, and gives them back at its end", () => {
    fc.assert(
      fc.property(innocent, (body) => {
        const stream = scrubber.stream("text");
        let out = 0;
        for (const [at, byte] of body.entries()) {
          out += stream.push(Uint8Array.of(byte)).length;
          expect(at + 1 - out).toBeLessThan(scrubber.longest);
        }
        expect(out + stream.end().length).toBe(body.length);
      }),
    );
  });

  test("does not hold more and more of an endless periodic secret", () => {
    const periodic = compileScrub([{ name: "p", value: utf8("abababab") }]);
    const stream = periodic.stream("text");
    let out = "";
    for (let round = 0; round < 1000; round++) out += Buffer.from(stream.push(utf8("ab"))).toString();
    expect(out + Buffer.from(stream.end()).toString()).toBe("[redacted:p]");
  });

  test("is still JSON, with the secret inside a string at any depth", () => {
    const text = fc.string({ maxLength: 10 }).filter((value) => !value.endsWith("\\"));
    fc.assert(
      fc.property(text, text, fc.integer({ min: 1, max: 4 }), cuts, (before, after, depth, at) => {
        const wrap = (value: string) => {
          let json = JSON.stringify({ a: value });
          for (let layer = 1; layer < depth; layer++) json = JSON.stringify({ a: json });
          return json;
        };
        const clean = Buffer.from(
          pass(utf8(wrap(`${before}${SECRET}${after}`)), at, "json"),
          "latin1",
        ).toString();
        expect(clean).toBe(wrap(`${before}[redacted:first]${after}`));
      }),
    );
  });

  test("is still JSON where the secret is a number", () => {
    const pin = compileScrub([{ name: "pin", value: utf8("1234567890") }]);
    const stream = pin.stream("json");
    const out = Buffer.concat([stream.push(utf8('{"pin":1234567890,"text":"1234567890"}')), stream.end()]);
    expect(JSON.parse(out.toString())).toEqual({ pin: 0, text: "0" });
    expect(pin.text("pin 1234567890")).toBe("pin [redacted:pin]");
  });
});

test("what is held back stays as it was when the caller uses the chunk's memory again", () => {
  const stream = scrubber.stream("text");
  const chunk = utf8(`<${SECRET.slice(0, 5)}`);
  const first = Buffer.from(stream.push(chunk)).toString();
  chunk.fill(0);
  expect(first + Buffer.from(stream.end()).toString()).toBe(`<${SECRET.slice(0, 5)}`);
});

describe("an event of a stream", () => {
  test("leaves whole and at once, whatever stands at its end", () => {
    for (const lineEnd of ["\n", "\r\n", "\r"]) {
      for (const spelling of [SECRET, JSON.stringify(SECRET), utf8(SECRET).toString("base64")]) {
        for (let length = 0; length < 8; length++) {
          const event = utf8(
            `event: message${lineEnd}data: ${spelling.slice(0, length)}${lineEnd}${lineEnd}`,
          );
          expect(scrubber.stream("json").push(event)).toBe(event);
        }
      }
    }
  });

  test("leaves at once with its secret replaced", () => {
    const stream = scrubber.stream("json");
    const event = utf8(`data: {"a":${JSON.stringify(SECRET)}}\n\n`);
    expect(Buffer.from(stream.push(event)).toString()).toBe('data: {"a":"[redacted:first]"}\n\n');
    expect(stream.found).toBe(1);
  });
});
