import { inspect } from "node:util";

const shown = "[secret]";

/**
 * Bytes that must not be printed. Whatever turns a value into text (a template, JSON, a log line, the debugger's
 * inspect) gets a mark instead; the bytes come out only by name, so a review can find every place with one search.
 */
export class Secret {
  readonly #bytes: Uint8Array;
  #wiped = false;

  /** Takes the bytes over: `wipe` overwrites them in place. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Secret {
    return new Secret(new TextEncoder().encode(text));
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** The bytes themselves, not a copy. Throws after `wipe`. */
  reveal(): Uint8Array {
    if (this.#wiped) throw new Error("this secret was wiped");
    return this.#bytes;
  }

  /** The bytes as text. The text cannot be wiped: prefer `reveal` where bytes do. Throws if they are not UTF-8. */
  revealText(): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.reveal());
  }

  wipe(): void {
    this.#wiped = true;
    this.#bytes.fill(0);
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [Symbol.toPrimitive](): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}
