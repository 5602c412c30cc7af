import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileScrub } from "./compile-scrub.ts";

const utf8 = (text: string) => Buffer.from(text);
const hex2 = (byte: number) => byte.toString(16).padStart(2, "0");
const unicode = (text: string) =>
  Array.from(
    { length: text.length },
    (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
const inJson = (text: string) => JSON.stringify(text).slice(1, -1);
const percentAll = (text: string) => [...utf8(text)].map((byte) => `%${hex2(byte)}`).join("");
const base64At = (before: number) => (text: string) =>
  Buffer.concat([
    Buffer.alloc(before, 0xab),
    utf8(text),
    Buffer.alloc(3 - ((before + utf8(text).length) % 3), 0xcd),
  ])
    .toString("base64")
    .slice(Math.ceil((before * 8) / 6), Math.floor(((before + utf8(text).length) * 8) / 6));
const html = (text: string) =>
  text.replace(
    /[&<>"']/g,
    (found) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[found] ?? "",
  );

/** Each way in which a server may say a secret back. */
const forms: Record<string, (secret: string) => string> = {
  raw: (text) => text,
  "hex, lower": (text) => utf8(text).toString("hex"),
  "hex, upper": (text) => utf8(text).toString("hex").toUpperCase(),
  "base64 alone": (text) => utf8(text).toString("base64").replace(/=+$/, ""),
  "base64 after no byte": base64At(0),
  "base64 after one byte": base64At(1),
  "base64 after two bytes": base64At(2),
  "base64url alone": (text) => utf8(text).toString("base64url"),
  "base64url after one byte": (text) => base64At(1)(text).replaceAll("+", "-").replaceAll("/", "_"),
  "base64url after two bytes": (text) => base64At(2)(text).replaceAll("+", "-").replaceAll("/", "_"),
  "base64, JSON with escaped slashes": (text) =>
    utf8(text).toString("base64").replace(/=+$/, "").replaceAll("/", "\\/"),
  "base64, JSON with escaped plus": (text) =>
    utf8(text).toString("base64").replace(/=+$/, "").replaceAll("+", "\\u002B"),
  "base64, percent-encoded": (text) => encodeURIComponent(utf8(text).toString("base64").replace(/=+$/, "")),
  "base64, read by a form decoder": (text) =>
    utf8(text).toString("base64").replace(/=+$/, "").replaceAll("+", " "),
  "base64 in lines": (text) =>
    (
      utf8(text)
        .toString("base64")
        .replace(/=+$/, "")
        .match(/.{1,6}/g) ?? []
    ).join("\r\n"),
  "base64 in lines, in JSON": (text) =>
    (
      utf8(text)
        .toString("base64")
        .replace(/=+$/, "")
        .match(/.{1,6}/g) ?? []
    ).join("\\n"),
  encodeURIComponent: (text) => encodeURIComponent(text),
  "encodeURIComponent, lower case": (text) =>
    encodeURIComponent(text).replace(/%../g, (found) => found.toLowerCase()),
  "encodeURIComponent twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  "a form's value": (text) => new URLSearchParams({ a: text }).toString().slice(2),
  "percent-encoded altogether": percentAll,
  JSON: inJson,
  "JSON in JSON": (text) => inJson(inJson(text)),
  "JSON in JSON in JSON": (text) => inJson(inJson(inJson(text))),
  "four layers of JSON": (text) => inJson(inJson(inJson(inJson(text)))),
  "JSON, escaped slashes": (text) => inJson(text).replaceAll("/", "\\/"),
  "JSON, escaped altogether": unicode,
  "JSON, escaped altogether, upper case": (text) =>
    unicode(text).replace(/[a-f]/g, (digit) => digit.toUpperCase()),
  "JSON, escaped altogether, in JSON": (text) => inJson(unicode(text)),
  "JSON, ASCII only": (text) => inJson(text).replace(/[^\x00-\x7f]/g, unicode),
  HTML: html,
  "HTML in JSON, as Go writes it": (text) => inJson(html(text)).replace(/[&<>]/g, unicode),
};

const character = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.~") },
  { weight: 2, arbitrary: fc.constantFrom(...`+/=%&"'\\<> !*()`) },
  { weight: 1, arbitrary: fc.constantFrom("é", "ß", "€", "日", "😀") },
);
/** No white space at the ends, and nothing before or after it that could be read as its continuation. */
const secretText = fc
  .array(character, { minLength: 8, maxLength: 24 })
  .map((all) => all.join("").trim())
  .filter((text) => utf8(text).length >= 8 && !text.startsWith("\\") && !text.endsWith("\\"));

/** Not every byte is looked at: a secret may begin anywhere between two that are. */
const place = fc.nat({ max: 20 }).map((length) => "(".repeat(length));

describe("a secret is found", () => {
  for (const [form, spell] of Object.entries(forms)) {
    test(`as ${form}, at every split of the stream`, () => {
      fc.assert(
        fc.property(secretText, place, (secret, before) => {
          const scrubber = compileScrub([{ name: "token", value: utf8(secret) }]);
          const body = utf8(`${before}«${spell(secret)}»`);
          for (let split = 0; split <= body.length; split++) {
            const stream = scrubber.stream("text");
            const out = [
              stream.push(body.subarray(0, split)),
              stream.push(body.subarray(split)),
              stream.end(),
            ];
            expect(Buffer.concat(out).toString()).toBe(`${before}«[redacted:token]»`);
            expect(stream.found).toBe(1);
          }
        }),
        { numRuns: 40 },
      );
    });
  }

  test("however its characters are mixed from all spellings, whole and byte by byte", () => {
    const spellings = fc.constantFrom<(text: string) => string>(
      (text) => text,
      unicode,
      percentAll,
      inJson,
      (text) => inJson(unicode(text)),
      (text) => `&#${text.codePointAt(0)};`,
      (text) => `&#x${text.codePointAt(0)?.toString(16).toUpperCase()};`,
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(character, spellings), { minLength: 8, maxLength: 20 }),
        place,
        (parts, before) => {
          const secret = parts.map(([text]) => text).join("");
          fc.pre(secret.trim() === secret && !secret.includes("\\"));
          const body = utf8(`${before}|${parts.map(([text, spell]) => spell(text)).join("")}|`);
          const scrubber = compileScrub([{ name: "token", value: utf8(secret) }]);
          const stream = scrubber.stream("text");
          const byByte = [...Array.from(body, (byte) => stream.push(Uint8Array.of(byte))), stream.end()];
          const whole = scrubber.stream("text");
          for (const out of [byByte, [whole.push(body), whole.end()]])
            expect(Buffer.concat(out).toString()).toBe(`${before}|[redacted:token]|`);
          expect(scrubber.text(body.toString())).toBe(`${before}|[redacted:token]|`);
        },
      ),
    );
  });

  test("in the base64 of Basic, and in every encoding of that", () => {
    const scrubber = compileScrub([{ name: "token", value: utf8("correct horse"), username: "ada" }]);
    const basic = utf8("ada:correct horse").toString("base64");
    const pads = basic.slice(basic.indexOf("="));
    expect(scrubber.text(`Authorization: Basic ${basic}`)).toBe(
      `Authorization: Basic [redacted:token]${pads}`,
    );
    expect(scrubber.text(`<${utf8(basic).toString("hex")}>`)).not.toContain(
      utf8(basic.slice(4, 12)).toString("hex"),
    );
    const twice = utf8(`Authorization: Basic ${basic}`).toString("base64");
    const rest = Buffer.from(scrubber.text(twice).replace(/\[.*\]/, ""), "base64").toString("latin1");
    expect(rest.length).toBeLessThan("Authorization: Basic ".length + 5);
  });

  test("in a spelling of bytes that are no text", () => {
    const value = Buffer.from("00ff5c80fe22c328a0b1", "hex");
    const scrubber = compileScrub([{ name: "key", value }]);
    const clean = (body: Uint8Array | string) => {
      const stream = scrubber.stream("text");
      return Buffer.concat([stream.push(Buffer.from(body)), stream.end()]).toString("latin1");
    };
    expect(clean(Buffer.concat([utf8("<"), value, utf8(">")]))).toBe("<[redacted:key]>");
    expect(clean(`<${value.toString("hex")}>`)).toBe("<[redacted:key]>");
    expect(clean(`<${[...value].map((byte) => `\\x${hex2(byte)}`).join("")}>`)).toBe("<[redacted:key]>");
  });

  test("where a server read its header as Latin-1 and answers in UTF-8", () => {
    const scrubber = compileScrub([{ name: "token", value: utf8("pässwörd-€") }]);
    const misread = utf8("pässwörd-€").toString("latin1");
    expect(scrubber.text(`you sent ${misread}!`)).toBe("you sent [redacted:token]!");
    expect(scrubber.text(`you sent ${inJson(misread).replace(/[^\x00-\x7f]/g, unicode)}!`)).toBe(
      "you sent [redacted:token]!",
    );
  });

  test("line by line, where it is a PEM key of which an answer quotes a part", () => {
    const lines = [
      "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
      "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu",
    ];
    const pem = `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
    const scrubber = compileScrub([{ name: "key", value: utf8(pem) }]);
    expect(scrubber.text(`got ${lines[1]} here`)).toBe("got [redacted:key] here");
    expect(scrubber.text(`got ${JSON.stringify({ pem })}`)).toBe('got {"pem":"[redacted:key]\\n"}');
  });
});
