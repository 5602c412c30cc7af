import { printable } from "@sallyport/contracts";
import type { Scrubber } from "@sallyport/scrub";

const maxLineLength = 2_000;
const maxLinesPerSecond = 20;
const keptLines = 5;

/**
 * What a server writes to its standard error: without secrets, line by line, at debug level, and no more of it than a
 * log can bear. The last lines are kept for the message about its end.
 */
export class ErrorLog {
  readonly #stream: { push(chunk: Uint8Array): Uint8Array; end(): Uint8Array } | undefined;
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  readonly #decoder = new TextDecoder();
  #line = "";
  #second = 0;
  #written = 0;
  #dropped = 0;
  #last: string[] = [];

  constructor(scrubber: Scrubber | undefined, write: (line: string) => void, now: () => number = Date.now) {
    this.#stream = scrubber?.stream("text");
    this.#write = write;
    this.#now = now;
  }

  push(chunk: Uint8Array): void {
    this.#text(this.#stream?.push(chunk) ?? chunk);
  }

  end(): void {
    if (this.#stream) this.#text(this.#stream.end());
    if (this.#line !== "") this.#finish();
    if (this.#dropped > 0) this.#write(`(${this.#dropped} lines not logged)`);
    this.#dropped = 0;
  }

  /** Without secrets. */
  get last(): string {
    return this.#last.join(" | ");
  }

  #text(bytes: Uint8Array): void {
    const [first = "", ...rest] = this.#decoder.decode(bytes, { stream: true }).split("\n");
    this.#append(first);
    for (const part of rest) {
      this.#finish();
      this.#append(part);
    }
  }

  #append(text: string): void {
    if (this.#line.length < maxLineLength) this.#line += text.slice(0, maxLineLength - this.#line.length);
  }

  #finish(): void {
    const line = printable(this.#line.trimEnd(), maxLineLength);
    this.#line = "";
    if (line === "") return;
    this.#last = [...this.#last.slice(1 - keptLines), line];
    this.note(line);
  }

  /** A line of our own about it, under the same bound. */
  note(line: string): void {
    const second = Math.floor(this.#now() / 1_000);
    if (second !== this.#second) {
      if (this.#dropped > 0) this.#write(`(${this.#dropped} lines not logged)`);
      this.#second = second;
      this.#written = 0;
      this.#dropped = 0;
    }
    if (this.#written >= maxLinesPerSecond) this.#dropped += 1;
    else this.#write(line);
    this.#written += 1;
  }
}
