import { AMPERSAND, BACKSLASH, type Glyph, LETTER_U, LONGEST_RUN, PERCENT } from "./glyph.ts";
import { backslashRun } from "./matcher.ts";
import type { Needle } from "./needle.ts";

const NONE: readonly Needle[] = [];
const LINE_BREAKS = [0x0a, 0x0d];
const ANY_BYTE = Array.from({ length: 256 }, (_, byte) => byte);

/**
 * Where may a needle begin? Nearly every byte of nearly every body is dismissed by one look into a table of byte
 * pairs; what is left is given the few needles whose first character is written like that.
 */
export class Starts {
  /** A bit for every pair of bytes, 8 KiB: small enough to stay in the processor's cache. */
  readonly #pairs = new Uint32Array(2048);
  readonly #first = new Uint8Array(256);
  readonly #byPlain = new Map<number, Needle[]>();
  readonly #byEscape = new Map<number, Needle[]>();
  /** Tried at every backslash: those that begin with one, or with an ampersand. */
  readonly #fromBackslash: Needle[] = [];
  readonly #all: readonly Needle[];

  constructor(needles: readonly Needle[]) {
    this.#all = needles;
    this.#pair(BACKSLASH, BACKSLASH);
    for (const needle of needles) {
      const [first, second] = needle.glyphs;
      if (first === undefined) continue;
      this.#addPlain(needle, first, second);
      this.#addEscapes(needle, BACKSLASH, first.afterBackslash);
      this.#addEscapes(needle, PERCENT, first.afterPercent);
      this.#addEscapes(needle, AMPERSAND, first.afterAmpersand);
    }
  }

  /** The first place from `from` on where a needle may begin, or the length of the data. */
  next(data: Uint8Array, from: number): number {
    const pairs = this.#pairs;
    const last = data.length - 1;
    if (from > last) return data.length;
    let pair = data[from] as number;
    for (let at = from; at < last; at++) {
      pair = ((pair & 0xff) << 8) | (data[at + 1] as number);
      if (((pairs[pair >>> 5] as number) >>> (pair & 31)) & 1) return at;
    }
    return this.#first[data[last] as number] ? last : data.length;
  }

  /** The needles that may begin at `at`: all, where the data ends too early to tell. */
  at(data: Uint8Array, at: number): readonly Needle[] {
    const byte = data[at] as number;
    if (byte !== BACKSLASH && byte !== PERCENT && byte !== AMPERSAND) return this.#byPlain.get(byte) ?? NONE;
    const tail = byte === BACKSLASH ? at + backslashRun(data, at, LONGEST_RUN + 1) : at + 1;
    const key = escapeKey(byte, data, tail);
    if (key === undefined) return this.#all;
    const always = byte === BACKSLASH ? this.#fromBackslash : (this.#byPlain.get(byte) ?? NONE);
    const escaped = this.#byEscape.get(key) ?? NONE;
    return always.length === 0 ? escaped : [...always, ...escaped];
  }

  #addPlain(needle: Needle, glyph: Glyph, second: Glyph | undefined): void {
    const following =
      second === undefined // a row of backslashes alone
        ? ANY_BYTE
        : [BACKSLASH, PERCENT, AMPERSAND, ...LINE_BREAKS, ...second.plain.map(firstOf)];
    for (const plain of glyph.plain) {
      const byte = firstOf(plain);
      file(this.#byPlain, byte, needle);
      for (const next of plain.length > 1 ? [plain[1] as number] : following) this.#pair(byte, next);
    }
    if (glyph.backslashes > 0) {
      this.#fromBackslash.push(needle);
      for (const next of following) this.#pair(BACKSLASH, next);
    }
  }

  #addEscapes(needle: Needle, introducer: number, tails: readonly Uint8Array[]): void {
    for (const tail of tails) {
      const first = firstOf(tail);
      this.#pair(introducer, first);
      if (isLetter(first)) this.#pair(introducer, first & ~0x20);
      const key = escapeKey(introducer, tail, 0);
      if (key !== undefined) file(this.#byEscape, key, needle);
      else if (!this.#fromBackslash.includes(needle)) this.#fromBackslash.push(needle); // `&` as `\u0026`
    }
  }

  #pair(byte: number, next: number): void {
    const pair = (byte << 8) | next;
    this.#pairs[pair >>> 5] = (this.#pairs[pair >>> 5] as number) | (1 << (pair & 31));
    this.#first[byte] = 1;
  }
}

/**
 * What tells escapes apart: the number of a `\u`, the letter after any other backslash, two characters after a percent
 * sign or ampersand. Undefined where the data ends before.
 */
function escapeKey(introducer: number, data: Uint8Array, at: number): number | undefined {
  const first = data[at];
  if (first === undefined) return undefined;
  if (introducer === BACKSLASH) {
    if ((first | 0x20) !== LETTER_U) return (introducer << 16) | first | (isLetter(first | 0x20) ? 0x20 : 0);
    if (at + 5 > data.length) return undefined;
    let unit = 0;
    for (let digit = at + 1; digit <= at + 4; digit++) unit = (unit << 4) | hexDigit(data[digit] as number);
    if (unit === AMPERSAND) return escapeKey(AMPERSAND, data, at + 5); // `\u0026#65;`
    return (LETTER_U << 16) | unit;
  }
  const second = data[at + 1];
  return second === undefined ? undefined : (introducer << 16) | ((first | 0x20) << 8) | (second | 0x20);
}

/** What is no digit counts as some digit: the matcher looks at it again. */
function hexDigit(byte: number): number {
  return (byte & 0x40 ? byte + 9 : byte) & 0xf;
}

function isLetter(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}

function file(index: Map<number, Needle[]>, key: number, needle: Needle): void {
  const found = index.get(key);
  if (found === undefined) index.set(key, [needle]);
  else if (found.at(-1) !== needle) found.push(needle);
}

function firstOf(bytes: Uint8Array): number {
  return bytes[0] as number;
}
