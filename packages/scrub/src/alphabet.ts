import { backslashGlyph, base64Glyph, byteGlyph, characterGlyph, type Glyph, hexGlyph } from "./glyph.ts";

/** Printable ASCII but the backslash: what nearly all secrets are made of, prepared once. */
const ASCII = table(
  Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at)).filter(
    (character) => character !== "\\",
  ),
  characterGlyph,
);
const BASE64_MARKS = table(["+", "/"], base64Glyph);
const HEX_DIGITS = table([..."0123456789abcdef"], hexGlyph);

/** Texts as rows of glyphs. One for all secrets of a scrubber, so that equal characters share theirs. */
export class Alphabet {
  readonly #rare = new Map<string, Glyph>();

  /** UTF-8 by its characters; what is not UTF-8 byte by byte. */
  text(bytes: Uint8Array): Glyph[] {
    const text = asUtf8(bytes);
    if (text === undefined) return Array.from(bytes, (byte) => this.#byte(byte));
    return (text.match(/\\+|[^\\]/gsu) ?? []).map((part) => this.#character(part));
  }

  base64(text: string): Glyph[] {
    return Array.from(text, (character) => BASE64_MARKS.get(character) ?? this.#character(character));
  }

  hex(bytes: Uint8Array): Glyph[] {
    const digits = Buffer.from(bytes).toString("hex");
    return Array.from(digits, (digit) => HEX_DIGITS.get(digit) ?? this.#character(digit));
  }

  #character(character: string): Glyph {
    return (
      ASCII.get(character) ??
      this.#once(character, () =>
        character.startsWith("\\") ? backslashGlyph(character.length) : characterGlyph(character),
      )
    );
  }

  #byte(byte: number): Glyph {
    if (byte < 0x80) return this.#character(String.fromCharCode(byte));
    return this.#once(`byte ${byte}`, () => byteGlyph(byte));
  }

  #once(key: string, make: () => Glyph): Glyph {
    let glyph = this.#rare.get(key);
    if (glyph === undefined) {
      glyph = make();
      this.#rare.set(key, glyph);
    }
    return glyph;
  }
}

function table(
  characters: readonly string[],
  make: (character: string) => Glyph,
): ReadonlyMap<string, Glyph> {
  return new Map(characters.map((character) => [character, make(character)]));
}

function asUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
