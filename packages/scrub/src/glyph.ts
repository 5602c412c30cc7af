/** Every way in which software writes one character. Tails are lower case and compared without regard to case. */
export interface Glyph {
  /** As itself, exactly: usually one spelling of one byte. */
  readonly plain: readonly Uint8Array[];
  /** The first two plain spellings, where they are one byte each, else -1: the matcher's short cut. */
  readonly byte: number;
  readonly otherByte: number;
  /** There are no plain spellings but these two. */
  readonly noOther: boolean;
  /** What follows a run of backslashes: `u0041`, `x41`, `n`, `"`; also `u0026` and what follows an ampersand. */
  readonly afterBackslash: readonly Uint8Array[];
  /** The one letter or mark that follows a backslash in its short escape, else -1. */
  readonly shortEscape: number;
  /** What follows a percent sign: `41`, and `2541` where it was encoded twice. */
  readonly afterPercent: readonly Uint8Array[];
  /** What follows an ampersand: `#65;`, `#x41;`, `quot;`. */
  readonly afterAmpersand: readonly Uint8Array[];
  /**
   * How many backslashes of the secret, in a row, this stands for. At depth d of JSON in JSON each is written as 2^d,
   * so that their number alone says nothing and the row has to be matched as one. 0 for all other characters.
   */
  readonly backslashes: number;
  /** The most bytes that any spelling takes. */
  readonly longest: number;
}

export const BACKSLASH = 0x5c;
export const PERCENT = 0x25;
export const AMPERSAND = 0x26;
export const LETTER_U = 0x75;

/** After a backslash, an ampersand that begins an entity: HTML in JSON, as Go writes it. */
export const ESCAPED_AMPERSAND = Buffer.from("u0026");

/** Runs longer than this begin no escape: four layers of JSON in JSON write a quote after 15, a backslash as 16. */
export const LONGEST_RUN = 16;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\b": "b",
  "\t": "t",
  "\n": "n",
  "\f": "f",
  "\r": "r",
  '"': '"',
  "'": "'",
  "/": "/",
};
const ENTITIES: Readonly<Record<string, string>> = {
  '"': "quot;",
  "&": "amp;",
  "'": "apos;",
  "<": "lt;",
  ">": "gt;",
};

/** One character of a text. A space is also what a form makes of it, a plus. */
export function characterGlyph(character: string): Glyph {
  return glyphOf(character, character === " " ? [" ", "+"] : [character]);
}

/** One character of base64, in both alphabets; a plus is also what a form decoder makes of it, a space. */
export function base64Glyph(character: string): Glyph {
  if (character === "+") return glyphOf(character, ["+", "-", " "]);
  if (character === "/") return glyphOf(character, ["/", "_"]);
  return glyphOf(character, [character]);
}

/** One hexadecimal digit, in both cases. */
export function hexGlyph(digit: string): Glyph {
  const upper = digit.toUpperCase();
  return glyphOf(digit, upper === digit ? [digit] : [digit, upper]);
}

/** One byte of a secret that is not UTF-8. Text formats show it as the Latin-1 character of that number. */
export function byteGlyph(byte: number): Glyph {
  const hex = byte.toString(16).padStart(2, "0");
  return glyph({
    plain: [Uint8Array.of(byte)],
    afterBackslash: [`u00${hex}`, `x${hex}`],
    afterPercent: percentTails([hex]),
  });
}

/** `count` backslashes in a row. */
export function backslashGlyph(count: number): Glyph {
  const spelt = (unit: string, introducers: readonly string[]) =>
    introducers.map((introducer) => Array(count).fill(unit).join(introducer));
  const entities = [...spelt("#92;", ["&"]), ...spelt("#x5c;", ["&"])];
  return glyph({
    plain: [],
    afterBackslash: [...spelt("u005c", RUNS), ...spelt("x5c", RUNS)],
    afterPercent: percentTails(Array<string>(count).fill("5c")),
    afterAmpersand: entities,
    backslashes: count,
  });
}

const RUNS = ["\\", "\\\\", "\\\\\\\\"];

function glyphOf(character: string, plain: readonly string[]): Glyph {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  const unicode = units.map((unit) => `u${unit.toString(16).padStart(4, "0")}`);
  const entities = entityTails(character);
  const short = SHORT_ESCAPES[character];
  const first = units[0] ?? 0;
  return glyph({
    plain: plain.map((text) => Buffer.from(text)),
    afterBackslash: [
      ...(units.length === 1 ? unicode : RUNS.map((run) => unicode.join(run))),
      ...(units.length === 1 && first < 0x100 ? [`x${first.toString(16).padStart(2, "0")}`] : []),
      ...(short === undefined ? [] : [short]),
    ],
    afterPercent: percentTails([...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, "0"))),
    afterAmpersand: entities,
  });
}

/** After the first percent sign, encoded once, twice and three times. */
function percentTails(bytes: readonly string[]): string[] {
  return ["", "25", "2525"].map((again) => bytes.map((byte) => again + byte).join("%"));
}

function entityTails(character: string): string[] {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  const named = ENTITIES[character];
  const once = [`#${code};`, `#0${code};`, `#x${hex};`, `#x${hex.padStart(4, "0")};`];
  if (named !== undefined) once.push(named);
  return [...once, ...once.map((entity) => `amp;${entity}`)];
}

interface Spellings {
  plain: readonly Uint8Array[];
  afterBackslash: readonly string[];
  afterPercent: readonly string[];
  afterAmpersand?: readonly string[];
  backslashes?: number;
}

function glyph(spellings: Spellings): Glyph {
  const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, "latin1"));
  const single = spellings.plain.map((text) => (text.length === 1 ? (text[0] ?? -1) : -1));
  const { plain, backslashes = 0 } = spellings;
  const afterBackslash = bytes(spellings.afterBackslash);
  const afterPercent = bytes(spellings.afterPercent);
  const afterAmpersand = bytes(spellings.afterAmpersand ?? []);
  return {
    plain,
    byte: single[0] ?? -1,
    otherByte: single[1] ?? -1,
    noOther: single.length <= 2 && !single.includes(-1),
    afterBackslash,
    shortEscape: afterBackslash.find((tail) => tail.length === 1)?.[0] ?? -1,
    afterPercent,
    afterAmpersand,
    backslashes,
    longest: Math.max(
      longestOf(plain),
      LONGEST_RUN * Math.max(1, backslashes) +
        Math.max(longestOf(afterBackslash), ESCAPED_AMPERSAND.length + longestOf(afterAmpersand)),
      1 + longestOf(afterPercent),
      1 + longestOf(afterAmpersand),
    ),
  };
}

function longestOf(texts: readonly Uint8Array[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}
