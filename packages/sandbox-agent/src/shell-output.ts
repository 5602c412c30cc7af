/** Where what is too much for an answer goes, whole. */
export interface Spill {
  readonly path: string;
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
}

export interface ShownOutput {
  /** Without terminal escapes and trailing newlines; "(no output)" where there is nothing. */
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
    const head = textOf(Buffer.concat(this.#head));
    if (!this.#over) return { text: head.replace(/\n+$/, "") || "(no output)", bytes: this.#bytes };
    const half = Math.floor(this.#maxBytes / 2);
    const tail = textOf(Buffer.concat(this.#tail).subarray(-half)).replace(/\n+$/, "");
    const where =
      this.#spill === undefined ? "the rest was not kept" : `the whole output is in ${this.#spill.path}`;
    const text = `${head}\n[output truncated: ${this.#bytes} bytes in all; ${where}]\n${tail}`;
    return { text, bytes: this.#bytes, ...(this.#spill && { spilled: this.#spill.path }) };
  }

  async #beginSpill(data: Buffer): Promise<void> {
    this.#over = true;
    const all = Buffer.concat([...this.#head, data]);
    const half = Math.floor(this.#maxBytes / 2);
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

const escapes =
  /\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~]?)/g;

/** Text that can be shown: invalid UTF-8 and NUL as U+FFFD, terminal escapes gone (attack 15). */
function textOf(bytes: Buffer): string {
  return bytes.toString("utf8").replace(escapes, "").replaceAll("\0", "\ufffd");
}
