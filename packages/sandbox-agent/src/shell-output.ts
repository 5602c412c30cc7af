import { shownText, wholeCharacters } from "./shown-text.ts";

/** Where what is too much for an answer goes, whole. */
export interface Spill {
  readonly path: string;
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
}

export interface ShownOutput {
  /**
   * Without terminal escapes and trailing newlines; "(no output)" where there is nothing, and how many bytes there were
   * instead of what is no text.
   */
  readonly text: string;
  readonly bytes: number;
  /** The file inside the sandbox that holds all of it. */
  readonly spilled?: string;
}

/**
 * What a command wrote, in bounded memory: up to `maxBytes` as it is; of more, the first and the last half, and the
 * whole in a file that `openSpill` makes. A spill that fails costs the file, not the answer.
 */
export class ShellOutput {
  readonly #maxBytes: number;
  readonly #openSpill: () => Promise<Spill>;
  #head: Buffer[] = [];
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #bytes = 0;
  #spill: Spill | undefined;
  #over = false;

  constructor(maxBytes: number, openSpill: () => Promise<Spill>) {
    this.#maxBytes = maxBytes;
    this.#openSpill = openSpill;
  }

  async push(data: Buffer): Promise<void> {
    this.#bytes += data.length;
    if (!this.#over && this.#bytes <= this.#maxBytes) {
      this.#head.push(data);
      return;
    }
    if (!this.#over) await this.#beginSpill(data);
    else {
      this.#keepTail(data);
      await this.#toSpill((spill) => spill.write(data));
    }
  }

  async shown(): Promise<ShownOutput> {
    await this.#toSpill((spill) => spill.finish());
    const bytes = this.#bytes;
    const head = shownText(Buffer.concat(this.#head));
    if (!this.#over) {
      const text = isBinary(head)
        ? `[binary output of ${bytes} bytes, not shown]`
        : head.text.replace(/\n+$/, "") || "(no output)";
      return { text, bytes };
    }
    const all = Buffer.concat(this.#tail);
    const half = Math.floor(this.#maxBytes / 2);
    const tail = shownText(all.subarray(wholeCharacters(all, Math.max(0, all.length - half))));
    const where =
      this.#spill === undefined ? "the rest was not kept" : `the whole output is in ${this.#spill.path}`;
    const text =
      isBinary(head) || isBinary(tail)
        ? `[binary output of ${bytes} bytes, not shown; ${where}]`
        : `${head.text}\n[output truncated: ${bytes} bytes in all; ${where}]\n${tail.text.replace(/\n+$/, "")}`;
    return { text, bytes, ...(this.#spill && { spilled: this.#spill.path }) };
  }

  async #beginSpill(data: Buffer): Promise<void> {
    this.#over = true;
    const all = Buffer.concat([...this.#head, data]);
    const half = wholeCharacters(all, Math.floor(this.#maxBytes / 2));
    this.#head = [all.subarray(0, half)];
    this.#keepTail(all.subarray(half));
    this.#spill = await this.#openSpill().catch(() => undefined);
    await this.#toSpill((spill) => spill.write(all));
  }

  #keepTail(data: Buffer): void {
    this.#tail.push(data);
    this.#tailBytes += data.length;
    const half = Math.floor(this.#maxBytes / 2);
    if (this.#tailBytes < 2 * half && this.#tail.length < 1024) return;
    const last = Buffer.concat(this.#tail);
    this.#tail = [Buffer.from(last.subarray(Math.max(0, last.length - half)))];
    this.#tailBytes = Math.min(half, last.length);
  }

  async #toSpill(act: (spill: Spill) => Promise<void>): Promise<void> {
    if (this.#spill === undefined) return;
    await act(this.#spill).catch(() => {
      this.#spill = undefined;
    });
  }
}

/** A picture or a program, rather than text with a wrong byte in it. */
function isBinary({ text, lost }: { text: string; lost: number }): boolean {
  return lost > 0 && lost * 10 > text.length * 3;
}
