import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorityText, parseAuthority } from "./authority.ts";

const refused: Record<string, string> = {
  "": "empty",
  "api.test.:443": "a dot at the end",
  "user@api.test:443": "a user",
  "user:pw@api.test:443": "a password",
  "api.test\0.evil.test:443": "NUL",
  "api.test%00.evil.test:443": "NUL in percent form",
  "bücher.test:443": "not an A-label",
  "ａｐｉ.test:443": "full-width letters",
  "api_1.test:443": "an underscore",
  "-api.test:443": "a label with a dash first",
  "api..test:443": "an empty label",
  "2852039166:80": "an address as one number",
  "0xa9fea9fe:80": "an address in hex",
  "0xa9.254.169.254:80": "an address partly in hex",
  "0251.0376.0251.0376:80": "an address in octal",
  "169.254.43518:80": "an address of three parts",
  "127.1:80": "an address of two parts",
  "1.2.3.4.5:80": "an address of five parts",
  "api.0x7f:80": "a last label that reads as a number",
  "[::1:80": "a bracket that does not close",
  "[0:0:0:0:0:0:0:1]:80": "IPv6 written out",
  "[::ffff:169.254.169.254]:80": "IPv4 in IPv6, dotted",
  "[fe80::1%25eth0]:80": "a zone",
  "::1:80": "IPv6 without brackets",
  "api.test:0": "port 0",
  "api.test:65536": "a port beyond",
  "api.test:0443": "a port with a leading zero",
  "api.test:": "an empty port",
  "api.test:80:80": "two ports",
  "api.test/x:80": "a path",
  "api.test :80": "a space",
};

describe("an authority", () => {
  it("is read in one spelling", () => {
    expect(parseAuthority("API.Example.com:443")).toEqual({
      ok: true,
      value: { host: "api.example.com", port: 443, literal: false },
    });
    expect(parseAuthority("xn--bcher-kva.test", 80)).toMatchObject({ value: { port: 80 } });
    expect(parseAuthority("10.0.0.1:8080")).toMatchObject({ value: { host: "10.0.0.1", literal: true } });
    expect(parseAuthority("[fd00::1]:443")).toMatchObject({ value: { host: "fd00::1", literal: true } });
  });

  it("needs its port where the scheme has none", () => {
    expect(parseAuthority("api.test").ok).toBe(false);
  });

  it.each(Object.entries(refused))("refuses %j: %s", (text) => {
    expect(parseAuthority(text)).toMatchObject({ ok: false });
  });

  it.each([
    ["user@api.test:443", "without user"],
    ["api.test.:443", "without the dot"],
    ["bücher.test:443", "A-label"],
    ["127.1:80", "four decimal numbers"],
    ["[0::1]:80", "shortest form"],
  ])("says how %s is to be written", (text, how) => {
    expect(parseAuthority(text)).toMatchObject({ reason: expect.stringContaining(how) });
  });

  it("never throws, and what it accepts the WHATWG parser reads alike", () => {
    const dense = fc
      .array(fc.constantFrom(..."abx019.:-[]%@/\\é\0_ "), { maxLength: 24 })
      .map((c) => c.join(""));
    fc.assert(
      fc.property(fc.oneof(dense, fc.string(), fc.ipV4Extended(), fc.ipV6(), fc.domain()), (text) => {
        const parsed = parseAuthority(text, 8080);
        if (!parsed.ok) return;
        const url = new URL(`http://${text.includes(":") ? text : `${text}:8080`}`);
        const bare = url.hostname.replace(/^\[|\]$/g, "");
        expect(bare).toBe(parsed.value.host);
        expect(parseAuthority(authorityText(parsed.value))).toEqual(parsed);
      }),
      { numRuns: 3000 },
    );
  });
});
