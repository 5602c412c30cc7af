import { AMPERSAND, BACKSLASH, type Glyph, LETTER_U, LONGEST_RUN, PERCENT } from "./glyph.ts";
import { backslashRun } from "./matcher.ts";
import type { Needle } from "./needle.ts";
import { addPair, hasPair, type PairSet, pairSet } from "./pair-set.ts";
import { pairsNearStart, strideOf } from "./strides.ts";

const NONE: readonly Needle[] = [];
const LINE_BREAKS = [0x0a, 0x0d];
const ANY_BYTE = Array.from({ length: 256 }, (_, byte) => byte);

/**
 * Where may a needle begin? Nearly all of nearly every body is dismissed several bytes at a time, by one look into a table of
 * byte pairs; what is left by another table, byte by byte; and what is left then is given the few needles whose first
 * character is written like that.
 */
export class Starts {
  /** Pairs that a needle begins with. */
  readonly #pairs = pairSet();
  readonly #near: PairSet;
  readonly #stride: number;
  readonly #first = new Uint8Array(256);
  readonly #byPlain = new Map<number, Needle[]>();
  readonly #byEscape = new Map<number, Needle[]>();
  /** Tried at every backslash: those that begin with one, or with an ampersand. */
  readonly #fromBackslash: Needle[] = [];
  readonly #all: readonly Needle[];

  constructor(needles: readonly Needle[]) {
    this.#all = needles;
    this.#stride = strideOf(needles);
    this.#near = pairsNearStart(needles, this.#stride);
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
    const near = this.#near;
    const stride = this.#stride;
    const last = data.length - 1;
    let at = from;
    for (; at + stride <= last; at += stride) {
      const probe = at + stride - 1;
      if (!hasPair(near, data[probe] as number, data[probe + 1] as number)) continue;
      const found = this.#among(data, at, at + stride);
      if (found <= probe) return found;
    }
    return this.#among(data, at, data.length);
  }

  /** Whether a needle may begin anywhere in a text. */
  anywhere(text: string): boolean {
    let before = 0;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit > 0x7f) return true; // several bytes, to be looked at as such
      if (at > 0 && hasPair(this.#pairs, before, unit)) return true;
      before = unit;
    }
    return false;
  }

  /** The first of these places where a needle may begin, or `to`. */
  #among(data: Uint8Array, from: number, to: number): number {
    const pairs = this.#pairs;
    const last = data.length - 1;
    const end = Math.min(to, last);
    for (let at = from; at < end; at++)
      if (hasPair(pairs, data[at] as number, data[at + 1] as number)) return at;
    return to > last && from <= last && this.#first[data[last] as number] ? last : to;
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
    addPair(this.#pairs, byte, next);
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
