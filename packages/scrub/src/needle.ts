import type { Alphabet } from "./alphabet.ts";
import type { Glyph } from "./glyph.ts";

/** One thing to look for: a row of characters, each in any of its spellings. */
export interface Needle {
  readonly glyphs: readonly Glyph[];
  /** Which secret this is a form of: an index into the list that was compiled. */
  readonly secret: number;
  /** A line break may stand between any two characters: MIME and PEM fold base64. */
  readonly folds: boolean;
  /** The secret itself, all digits: in JSON it may stand bare, as a number. */
  readonly digits: boolean;
}

/** All forms of one secret: itself, its hex and base64, and the same of what Basic makes of it (RFC 7617). */
export function needlesOf(
  secret: { value: Uint8Array; username?: string | undefined },
  index: number,
  alphabet: Alphabet,
): Needle[] {
  const needles: Needle[] = [];
  const add = (glyphs: readonly Glyph[], more: { folds?: boolean; digits?: boolean } = {}) =>
    needles.push({ glyphs, secret: index, folds: more.folds ?? false, digits: more.digits ?? false });
  const addEncoded = (bytes: Uint8Array) => {
    add(alphabet.hex(bytes));
    for (const text of base64Forms(bytes)) add(alphabet.base64(text), { folds: true });
  };

  const { username } = secret;
  const value = trimmed(secret.value);
  add(alphabet.text(value), { digits: value.every((byte) => byte >= 0x30 && byte <= 0x39) });
  addEncoded(value);
  const misread = Buffer.from(Buffer.from(value).toString("latin1"));
  // A server that reads headers as Latin-1 (Node does) and answers in UTF-8 writes each byte as a character.
  if (misread.length !== value.length) add(alphabet.text(misread));
  for (const line of armouredLines(value)) add(alphabet.base64(line));

  if (username !== undefined) {
    const basic = Buffer.concat([Buffer.from(`${username}:`), secret.value])
      .toString("base64")
      .replace(/=+$/, "");
    add(alphabet.base64(basic), { folds: true });
    addEncoded(Buffer.from(basic));
  }
  return needles;
}

/**
 * Base64 of these bytes alone, and the part that does not depend on neighbours at each of the three places where they
 * may begin inside a longer text. The characters at its edges mix in bits of the neighbours; at most 4 bits of the
 * secret stay readable at each end.
 */
function base64Forms(bytes: Uint8Array): Set<string> {
  const forms = new Set([Buffer.from(bytes).toString("base64").replace(/=+$/, "")]);
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes, Buffer.alloc(2)]).toString("base64");
    forms.add(text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)));
  }
  return forms;
}

/** Lines of a PEM body, each a needle of its own: an answer may quote only some of them, or join or indent them. */
function armouredLines(value: Uint8Array): string[] {
  const text = Buffer.from(value).toString("latin1");
  if (!text.includes("-----BEGIN ")) return [];
  return text.split(/\r?\n/).filter((line) => /^[A-Za-z0-9+/]{32,}={0,2}$/.test(line));
}

/** Without white space at its ends: a file's last line break is no secret, and an answer may leave it out. */
export function trimmed(value: Uint8Array): Uint8Array {
  let [start, end] = [0, value.length];
  while (start < end && isSpace(value[start])) start++;
  while (end > start && isSpace(value[end - 1])) end--;
  return value.subarray(start, end);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
