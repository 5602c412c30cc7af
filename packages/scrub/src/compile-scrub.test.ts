import { describe, expect, test } from "vitest";
import { compileScrub } from "./compile-scrub.ts";

const utf8 = (text: string) => Buffer.from(text);

describe("a secret that cannot be scrubbed is refused", () => {
  const refused = (secret: { name?: string; value: string; username?: string }) => () =>
    compileScrub([{ name: "token", ...secret, value: utf8(secret.value) }]);

  test("below 8 bytes, white space at its ends not counted", () => {
    expect(refused({ value: "1234567" })).toThrow("token: a secret of less than 8 bytes");
    expect(refused({ value: "  1234567\n" })).toThrow(expect.objectContaining({ code: "too-short" }));
    expect(refused({ value: "12345678" })).not.toThrow();
  });

  test("above 16 KiB", () => {
    expect(refused({ value: "ab".repeat(8 * 1024) })).not.toThrow();
    expect(refused({ value: `${"ab".repeat(8 * 1024)}c` })).toThrow(
      expect.objectContaining({ code: "too-long" }),
    );
    expect(refused({ value: `12345678${" ".repeat(40 * 1024)}` })).toThrow(
      expect.objectContaining({ code: "too-long" }),
    );
  });

  test("as one of more than 64", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ name: `n${at}`, value: utf8(`secret-number-${at}`) }));
    expect(() => compileScrub(many(64))).not.toThrow();
    expect(() => compileScrub(many(65))).toThrow(expect.objectContaining({ code: "too-many" }));
  });

  test("with a name that would break what it is put into, which is not repeated", () => {
    for (const name of ["", 'a"b', "a\nb", "a]b\\", "x".repeat(65)]) {
      expect(refused({ name, value: "12345678" })).toThrow(expect.objectContaining({ code: "bad-name" }));
    }
  });

  test("with a user name that Basic cannot carry", () => {
    expect(refused({ value: "12345678", username: "a:b" })).toThrow(
      expect.objectContaining({ code: "bad-username" }),
    );
    expect(refused({ value: "12345678", username: "a".repeat(1025) })).toThrow(/1024/);
  });
});

describe("what takes the place of a secret", () => {
  test("does not say it, where the credential is named after it", () => {
    const scrubber = compileScrub([{ name: "hunter2hunter2", value: utf8("hunter2hunter2") }]);
    expect(scrubber.text("<hunter2hunter2>")).toBe("<[redacted]>");
    expect(compileScrub([{ name: "a", value: utf8("redacted") }]).text("<redacted>")).toBe("<[***]>");
  });

  test("leaves a string alone that holds no secret, even one that is no UTF-8", () => {
    const odd = "half a pair: \ud83d";
    expect(compileScrub([{ name: "a", value: utf8("12345678") }]).text(odd)).toBe(odd);
    expect(compileScrub([]).text(odd)).toBe(odd);
  });

  test("replaces a secret of nothing but backslashes, quotes or percent signs", () => {
    for (const value of ["\\".repeat(8), '"'.repeat(8), "%".repeat(8), "%25".repeat(4), "&amp;".repeat(3)]) {
      const scrubber = compileScrub([{ name: "odd", value: utf8(value) }]);
      for (const spelling of [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]) {
        expect(scrubber.text(`<${spelling}>`)).toBe("<[redacted:odd]>");
      }
    }
  });
});

test("a body made to be slow costs no more than some microseconds per byte", () => {
  const scrubber = compileScrub([{ name: "odd", value: utf8('\\"\\"\\"\\"\\"%25%25&amp;&amp;\\a') }]);
  const bodies = ["\\", '\\"', '\\\\\\\\\\\\\\\\"', "%25", "%2525", "&amp;", "\\u0026amp;", "\\u005c\\u0022"];
  const started = process.cpuUsage();
  for (const body of bodies) scrubber.text(body.repeat(64 * 1024).slice(0, 64 * 1024));
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1000).toBeLessThan(5_000); // measured: about 500 ms for 512 KiB
});
