import {
  AMPERSAND,
  BACKSLASH,
  characterGlyph,
  ESCAPED_AMPERSAND,
  type Glyph,
  LETTER_U,
  LONGEST_RUN,
  PERCENT,
} from "./glyph.ts";
import type { Needle } from "./needle.ts";

const LINE_FEED = characterGlyph("\n");
const CARRIAGE_RETURN = characterGlyph("\r");
const LETTER_N = 0x6e;
const LETTER_R = 0x72;
const LETTER_X = 0x78;

/**
 * Does a needle begin here, and where does it end? Follows all spellings at once as a small set of positions, so that
 * a body cannot make it backtrack: the set stays below a handful for any secret.
 */
export class Matcher {
  /** Whether since it was last cleared some needle was still matching when the bytes ended. */
  ranOut = false;

  /** Where the longest spelling of `needle` that begins at `at` ends; -1 where there is none. */
  end(needle: Needle, data: Uint8Array, at: number): number {
    const { length } = needle.glyphs;
    let here = at;
    let index = 0;
    for (;;) {
      const plain = plainRun(needle, index, data, here);
      if (plain < 0) return -1;
      index += plain;
      here += plain;
      if (index === length) return here;
      let positions = [here];
      do positions = this.#steps(needle, index++, data, positions);
      while (positions.length > 1 && index < length);
      const [only] = positions;
      if (only === undefined) return -1;
      if (index === length) return Math.max(...positions);
      here = only;
    }
  }

  #steps(needle: Needle, index: number, data: Uint8Array, positions: readonly number[]): number[] {
    const glyph = needle.glyphs[index] as Glyph;
    const next: number[] = [];
    for (const position of positions) {
      this.#step(glyph, data, position, next);
      if (next.length === 0 && needle.folds && index > 0)
        this.#stepOverLineBreak(glyph, data, position, next);
    }
    return next;
  }

  #step(glyph: Glyph, data: Uint8Array, at: number, next: number[]): void {
    for (const plain of glyph.plain) this.#spelling(plain, false, data, at, next);
    switch (data[at]) {
      case undefined:
        this.ranOut = true;
        return;
      case BACKSLASH:
        this.#stepOverBackslashes(glyph, data, at, next);
        return;
      case PERCENT:
        for (const tail of glyph.afterPercent) this.#spelling(tail, true, data, at + 1, next);
        return;
      case AMPERSAND:
        for (const tail of glyph.afterAmpersand) this.#spelling(tail, true, data, at + 1, next);
        return;
    }
  }

  #stepOverBackslashes(glyph: Glyph, data: Uint8Array, at: number, next: number[]): void {
    const run = backslashRun(data, at, LONGEST_RUN * Math.max(1, glyph.backslashes) + 1);
    const more = at + run === data.length;
    if (glyph.backslashes > 0) {
      for (let each = 1; each <= LONGEST_RUN; each *= 2) {
        if (run >= each * glyph.backslashes) push(next, at + each * glyph.backslashes);
        else if (more) this.ranOut = true;
      }
    }
    if (run > LONGEST_RUN) return;
    if (more) {
      this.ranOut = true;
      return;
    }
    for (const tail of glyph.afterBackslash) this.#spelling(tail, true, data, at + run, next);
    if (((data[at + run] as number) | 0x20) === LETTER_U && glyph.afterAmpersand.length > 0) {
      const ampersand: number[] = [];
      this.#spelling(ESCAPED_AMPERSAND, true, data, at + run, ampersand);
      for (const after of ampersand) {
        for (const tail of glyph.afterAmpersand) this.#spelling(tail, true, data, after, next);
      }
    }
  }

  #stepOverLineBreak(glyph: Glyph, data: Uint8Array, at: number, next: number[]): void {
    const starts = [at];
    this.#step(CARRIAGE_RETURN, data, at, starts);
    const afterBreak: number[] = [];
    for (const start of starts) this.#step(LINE_FEED, data, start, afterBreak);
    for (const start of afterBreak) this.#step(glyph, data, start, next);
  }

  #spelling(text: Uint8Array, anyCase: boolean, data: Uint8Array, at: number, next: number[]): void {
    for (let offset = 0; offset < text.length; offset++) {
      const byte = data[at + offset];
      if (byte === undefined) {
        this.ranOut = true;
        return;
      }
      if (byte !== text[offset] && (!anyCase || lower(byte) !== text[offset])) return;
    }
    push(next, at + text.length);
  }
}

/**
 * How many glyphs from `index` on stand at `at` as themselves, one byte each: nearly always all that there is to do.
 * -1 where the next one stands there in no spelling.
 */
function plainRun(needle: Needle, index: number, data: Uint8Array, at: number): number {
  const { glyphs, folds } = needle;
  let run = 0;
  for (; index + run < glyphs.length; run++) {
    const byte = data[at + run];
    if (byte === undefined || byte === PERCENT || byte === AMPERSAND) return run;
    const glyph = glyphs[index + run] as Glyph;
    if (byte === BACKSLASH) return isOtherEscape(data[at + run + 1], glyph, folds) ? -1 : run;
    if (byte === glyph.byte || byte === glyph.otherByte) continue;
    return glyph.noOther && !(folds && (byte === 0x0a || byte === 0x0d)) ? -1 : run;
  }
  return run;
}

/**
 * Whether a backslash with this after it begins no spelling of the glyph. JSON in JSON is full of `\"` and `\n`: this
 * one look spares them the slow way.
 */
function isOtherEscape(next: number | undefined, glyph: Glyph, folds: boolean): boolean {
  if (next === undefined || next === BACKSLASH || next === glyph.shortEscape || glyph.backslashes > 0)
    return false;
  const letter = next | 0x20;
  if (letter === LETTER_U || letter === LETTER_X || letter === glyph.shortEscape) return false;
  return !(folds && (letter === LETTER_N || letter === LETTER_R));
}

/** How many backslashes stand at `at`, counted up to `most`. */
export function backslashRun(data: Uint8Array, at: number, most: number): number {
  let run = 0;
  while (run < most && data[at + run] === BACKSLASH) run++;
  return run;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function push(positions: number[], position: number): void {
  if (!positions.includes(position)) positions.push(position);
}
