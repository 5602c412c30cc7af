const newline = 10;

/**
 * Takes the lines `start` to `end` (from 1, both included; an end below 1 means to the end) out of a file that comes in
 * pieces. It holds at most `maxBytes` of them.
 */
export class LineRange {
  readonly #start: number;
  readonly #end: number;
  readonly #maxBytes: number;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #line = 1;
  #tooLarge = false;

  constructor(start: number, end: number, maxBytes: number) {
    this.#start = Math.max(1, start);
    this.#end = end < 1 ? Number.POSITIVE_INFINITY : end;
    this.#maxBytes = maxBytes;
  }

  /** Nothing further can belong to it. */
  get complete(): boolean {
    return this.#line > this.#end || this.#tooLarge;
  }

  get tooLarge(): boolean {
    return this.#tooLarge;
  }

  /** The number of the line that comes next: one more than were seen whole. */
  get line(): number {
    return this.#line;
  }

  push(piece: Buffer): void {
    for (let at = 0; at < piece.length && !this.complete; ) {
      const found = piece.indexOf(newline, at);
      const after = found === -1 ? piece.length : found + 1;
      if (this.#line >= this.#start) this.#take(piece.subarray(at, after));
      if (found !== -1) this.#line += 1;
      at = after;
    }
  }

  /** Without the newline after the last line. */
  bytes(): Buffer {
    const all = Buffer.concat(this.#pieces);
    return this.complete && all.at(-1) === newline ? all.subarray(0, -1) : all;
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) this.#tooLarge = true;
    else this.#pieces.push(Buffer.from(bytes));
  }
}
