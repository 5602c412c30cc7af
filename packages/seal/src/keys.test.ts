import { describe, expect, test } from "vitest";
import {
  fingerprint,
  generateRecipientKey,
  parsePublicKey,
  privateKeyText,
  readPrivateKeys,
  readPrivateKeyText,
} from "./keys.ts";

const keys = await generateRecipientKey();
const badKey = expect.objectContaining({ code: "bad-key" });

test("a key file has one key, or two while one takes the other's place", async () => {
  const lines = [privateKeyText(keys.privateKey), privateKeyText((await generateRecipientKey()).privateKey)];
  expect(readPrivateKeys(`${lines[0]}\n`).map(privateKeyText)).toEqual(lines.slice(0, 1));
  expect(readPrivateKeys(lines.join("\r\n")).map(privateKeyText)).toEqual(lines);
  for (const text of [
    "",
    "\n",
    `${lines[0]}\n\n`,
    `${lines.join("\n")}\n${lines[0]}\n`,
    `${lines[0]} ${lines[1]}`,
  ])
    expect(() => readPrivateKeys(text), JSON.stringify(text)).toThrow(badKey);
});

describe("the text of a public key", () => {
  test("names its version and reads back", () => {
    expect(keys.publicKey).toMatch(/^spk1\.[\w-]{1622}$/);
    expect(parsePublicKey(keys.publicKey)).toMatchObject({ text: keys.publicKey });
    expect(parsePublicKey(keys.publicKey).bytes).toHaveLength(1216);
  });

  test("has one spelling", () => {
    const cut = keys.publicKey.slice(0, -1);
    const last = keys.publicKey.slice(-1);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Four of the last character's six bits are padding: other values of them decode to the same key.
    const twin = alphabet[alphabet.indexOf(last) ^ 1] ?? "";
    expect(() => parsePublicKey(cut + twin)).toThrow(badKey);
  });

  test.each([
    ["another version", keys.publicKey.replace("spk1", "spk2")],
    ["a private key", privateKeyText(keys.privateKey)],
    ["a character too few", keys.publicKey.slice(0, -1)],
    ["a character too many", `${keys.publicKey}A`],
    ["a space", `${keys.publicKey.slice(0, -1)} `],
    ["standard base64", `${keys.publicKey.slice(0, 100)}+${keys.publicKey.slice(101)}`],
    ["nothing", ""],
  ])("is not %s", (_, text) => {
    expect(() => parsePublicKey(text)).toThrow(badKey);
    expect(() => fingerprint(text)).toThrow(badKey);
  });

  test("has a fingerprint that two people can read to each other", async () => {
    expect(fingerprint(keys.publicKey)).toMatch(/^([0-9a-f]{4}-){9}[0-9a-f]{4}$/);
    const other = await generateRecipientKey();
    expect(fingerprint(other.publicKey)).not.toBe(fingerprint(keys.publicKey));
  });
});

describe("the text of a private key", () => {
  test("reads back, with the line end that editors add", () => {
    const text = privateKeyText(keys.privateKey);
    for (const end of ["", "\n", "\r\n"]) {
      expect(Buffer.compare(readPrivateKeyText(text + end), keys.privateKey)).toBe(0);
    }
  });

  test("is refused, without being repeated in the error, when anything is wrong with it", () => {
    const text = privateKeyText(keys.privateKey);
    for (const wrong of [
      text.slice(1),
      `${text}A`,
      `${text}\n\n`,
      text.replace("ssk1", "ssk2"),
      keys.publicKey,
    ]) {
      expect(() => readPrivateKeyText(wrong)).toThrow(badKey);
      expect(() => readPrivateKeyText(wrong)).not.toThrow(wrong.slice(5, 20));
    }
    expect(() => privateKeyText(new Uint8Array(31))).toThrow(badKey);
  });
});
