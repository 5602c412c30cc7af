import { Matcher } from "./matcher.ts";
import type { Needle } from "./needle.ts";
import type { Starts } from "./starts.ts";

/** `json`: one JSON text, or Server-Sent Events that carry JSON. `text`: anything else. */
export type BodyKind = "json" | "text";

/** One body on its way through. Not to be used for another. */
export interface ScrubStream {
  /** What may leave now. The same array where nothing was found or held back. */
  push(chunk: Uint8Array): Uint8Array;
  /** The rest: what was held back because it might have become a secret. */
  end(): Uint8Array;
  /** How many places were replaced so far. */
  readonly found: number;
}

/** What a compiled scrubber knows; streams share it. */
export interface Compiled {
  readonly starts: Starts;
  /** What takes the place of each secret, by its index. */
  readonly markers: readonly Uint8Array[];
}

const EMPTY = new Uint8Array(0);
/** A secret of digits may stand in JSON without quotes, where only a number keeps it JSON. */
const DIGIT = Buffer.from("0");

/**
 * Looks at every place of the body once and replaces the longest secret that begins there; a secret that overlaps the
 * one before it is swallowed too, so that no tail of it gets through. What is held back between two chunks begins with
 * a real beginning of a secret, never more: an SSE event ends in an empty line, which is in no secret, and leaves whole.
 */
export class BodyScrubber implements ScrubStream {
  found = 0;
  readonly #compiled: Compiled;
  readonly #kind: BodyKind;
  readonly #matcher = new Matcher();
  #held: Uint8Array = EMPTY;
  /** How many of the held bytes are part of a secret that was replaced already: they never leave. */
  #swallowed = 0;

  constructor(compiled: Compiled, kind: BodyKind) {
    this.#compiled = compiled;
    this.#kind = kind;
  }

  push(chunk: Uint8Array): Uint8Array {
    return this.#scan(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]), false);
  }

  end(): Uint8Array {
    return this.#held.length === 0 ? EMPTY : this.#scan(this.#held, true);
  }

  #scan(data: Uint8Array, last: boolean): Uint8Array {
    const { starts } = this.#compiled;
    const pieces: Uint8Array[] = [];
    let gone = this.#swallowed; // everything before is decided
    let hold = data.length;
    for (let at = starts.next(data, 0); at < data.length; at = starts.next(data, at + 1)) {
      this.#matcher.ranOut = false;
      const match = this.#longest(data, at);
      if (match !== undefined && match.end > gone) {
        if (at >= gone) {
          if (at > gone) pieces.push(data.subarray(gone, at));
          pieces.push(this.#marker(match.needle));
          this.found++;
        }
        gone = match.end;
      }
      if (this.#matcher.ranOut && !last) {
        hold = at;
        break;
      }
    }
    // Copied: the chunk's memory is the caller's.
    this.#held = hold === data.length ? EMPTY : Uint8Array.from(data.subarray(hold));
    this.#swallowed = Math.max(0, gone - hold);
    if (gone === 0 && hold === data.length) return data;
    if (hold > gone) pieces.push(data.subarray(gone, hold));
    return pieces.length === 1 ? (pieces[0] ?? EMPTY) : Buffer.concat(pieces);
  }

  #longest(data: Uint8Array, at: number): { needle: Needle; end: number } | undefined {
    let longest: Needle | undefined;
    let end = -1;
    for (const needle of this.#compiled.starts.at(data, at)) {
      const found = this.#matcher.end(needle, data, at);
      if (found > end) [longest, end] = [needle, found];
    }
    return longest === undefined ? undefined : { needle: longest, end };
  }

  #marker(needle: Needle): Uint8Array {
    if (this.#kind === "json" && needle.digits) return DIGIT;
    return this.#compiled.markers[needle.secret] ?? EMPTY;
  }
}

/** With no secret there is nothing to look for. */
export const passThrough: ScrubStream = { push: (chunk) => chunk, end: () => EMPTY, found: 0 };
