const LF = 0x0a;

export type LineStep =
  | { readonly ok: true; readonly lines: readonly Uint8Array[] }
  /** Nothing after it is read any more. */
  | { readonly ok: false };

/** Cuts a stream at line feeds (MCP stdio transport: messages are delimited by newlines). Holds one line at most. */
export class LineReader {
  readonly #maxBytes: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #tooLong = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): LineStep {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LF); at >= 0 && !this.#tooLong; at = chunk.indexOf(LF, from)) {
      this.#hold(chunk.subarray(from, at));
      from = at + 1;
      if (this.#heldBytes > 0) lines.push(this.#cut());
    }
    this.#hold(chunk.subarray(from));
    return this.#tooLong ? { ok: false } : { ok: true, lines };
  }

  #hold(part: Uint8Array): void {
    if (this.#tooLong) return;
    this.#heldBytes += part.length;
    if (this.#heldBytes > this.#maxBytes) {
      this.#tooLong = true;
      this.#held = [];
    } else if (part.length > 0) this.#held.push(part);
  }

  #cut(): Uint8Array {
    const [only] = this.#held;
    const line = this.#held.length === 1 && only ? only : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return line;
  }
}
