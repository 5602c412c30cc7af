import { AMPERSAND, BACKSLASH, characterGlyph, ESCAPED_AMPERSAND, type Glyph, PERCENT } from "./glyph.ts";
import type { Needle } from "./needle.ts";
import { addPair, type PairSet, pairSet } from "./pair-set.ts";

/** Beyond it, more pairs stop it more often than it saves. */
const LONGEST_STRIDE = 32;

/** Shorter than any spelling of any of them: a character is a byte at least. */
export function strideOf(needles: readonly Needle[]): number {
  return Math.min(LONGEST_STRIDE, ...needles.map(({ glyphs }) => Math.max(1, glyphs.length - 1)));
}

/** The bytes that a character's spellings begin and end with. */
interface Ends {
  readonly first: Set<number>;
  readonly last: Set<number>;
}

/**
 * Every pair of bytes that may stand at the first `stride` places of a needle, in any spelling: where a needle begins at
 * one of `stride` places in a row, the last of them is the first byte of such a pair. Pairs that are not needed cost time
 * alone; one that is missing would let a secret through.
 */
export function pairsNearStart(needles: readonly Needle[], stride: number): PairSet {
  const near = pairSet();
  addPair(near, BACKSLASH, BACKSLASH);
  const known = new Map<Glyph, Ends>();
  const endsOf = (glyph: Glyph) => {
    const ends = known.get(glyph) ?? addInside(glyph, near);
    known.set(glyph, ends);
    return ends;
  };
  const [carriageReturn, lineFeed] = [endsOf(characterGlyph("\r")), endsOf(characterGlyph("\n"))];
  addBetween(carriageReturn, lineFeed, near);
  for (const { glyphs, folds } of needles) {
    // Each takes a byte at least, so that what comes later begins behind the stride.
    const ends = glyphs.slice(0, stride + 1).map(endsOf);
    for (const [at, before] of ends.entries()) {
      const after = ends[at + 1];
      if (after === undefined) continue;
      addBetween(before, after, near);
      if (!folds) continue;
      addBetween(before, carriageReturn, near);
      addBetween(before, lineFeed, near);
      addBetween(lineFeed, after, near);
    }
  }
  return near;
}

/** Adds what stands inside the spellings of one character. */
function addInside(glyph: Glyph, near: PairSet): Ends {
  const ends: Ends = { first: new Set(), last: new Set() };
  for (const plain of glyph.plain) {
    ends.first.add(plain[0] as number);
    ends.last.add(plain.at(-1) as number);
    for (let at = 1; at < plain.length; at++) addPair(near, plain[at - 1] as number, plain[at] as number);
  }
  const escaped = (introducer: number, tails: readonly Uint8Array[]) => {
    if (tails.length > 0) ends.first.add(introducer);
    for (const tail of tails) addTail(introducer, tail, { near, ends });
  };
  escaped(BACKSLASH, glyph.afterBackslash);
  escaped(PERCENT, glyph.afterPercent);
  escaped(AMPERSAND, glyph.afterAmpersand);
  if (glyph.afterAmpersand.length > 0) {
    addTail(BACKSLASH, ESCAPED_AMPERSAND, { near, ends });
    for (const tail of glyph.afterAmpersand)
      addTail(ESCAPED_AMPERSAND.at(-1) as number, tail, { near, ends });
  }
  if (glyph.backslashes > 0) {
    ends.first.add(BACKSLASH);
    ends.last.add(BACKSLASH);
  }
  return ends;
}

/** What follows an introducer, in both cases. */
function addTail(introducer: number, tail: Uint8Array, { near, ends }: { near: PairSet; ends: Ends }): void {
  let before = introducer;
  for (const byte of tail) {
    addPair(near, before, byte);
    addPair(near, upper(before), byte);
    addPair(near, before, upper(byte));
    addPair(near, upper(before), upper(byte));
    before = byte;
  }
  ends.last.add(before);
  ends.last.add(upper(before));
}

function addBetween(before: Ends, after: Ends, near: PairSet): void {
  for (const last of before.last) for (const first of after.first) addPair(near, last, first);
}

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte & ~0x20 : byte;
}
