/** One server-sent event as it came: `raw` includes its blank line; all `raw` in a row are the stream, byte for byte. */
export interface SseEvent {
  readonly raw: Uint8Array;
}

export type SseStep =
  | { readonly ok: true; readonly events: readonly SseEvent[] }
  | { readonly ok: false; readonly problem: "event-too-large" };

const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts a stream into events at blank lines (WHATWG HTML, "Server-sent events"; lines end in LF, CRLF or CR) and changes
 * nothing. The cuts do not depend on how the stream was chunked: a CR at the end of a chunk waits for the next byte, which
 * may be its LF. Holds at most one event of at most `maxEventBytes`; a larger one ends the reading for good.
 */
export class SseSplitter {
  readonly #maxEventBytes: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #lineIsEmpty = true;
  #afterCr = false;
  #cutAfterCr = false;
  #tooLarge = false;

  constructor(options: { readonly maxEventBytes: number }) {
    this.#maxEventBytes = options.maxEventBytes;
  }

  /** The chunk is kept, not copied, where an event goes on after it: do not write to it afterwards. */
  push(chunk: Uint8Array): SseStep {
    const events: SseEvent[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length && !this.#tooLarge; at++) {
      const cut = this.#step(chunk[at]);
      if (cut === "none") continue;
      const end = cut === "after" ? at + 1 : at;
      this.#hold(chunk.subarray(from, end));
      events.push(this.#cut());
      from = end;
    }
    this.#hold(chunk.subarray(from));
    return this.#tooLarge ? { ok: false, problem: "event-too-large" } : { ok: true, events };
  }

  /** Where this byte ends an event, if it does: a blank line that CR ends is over once it is clear that no LF follows. */
  #step(byte: number | undefined): "none" | "before" | "after" {
    const afterCr = this.#afterCr;
    const pending = this.#cutAfterCr;
    this.#afterCr = byte === CR;
    this.#cutAfterCr = false;
    if (afterCr && byte === LF) return pending ? "after" : "none";
    const blank = this.#lineIsEmpty;
    this.#lineIsEmpty = byte === LF || byte === CR;
    if (byte === CR) this.#cutAfterCr = blank;
    if (pending) return "before";
    return byte === LF && blank ? "after" : "none";
  }

  /** What is left when the stream ends: an unfinished event, which a client would drop; possibly empty. */
  end(): Uint8Array {
    return this.#cut().raw;
  }

  #hold(part: Uint8Array): void {
    this.#heldBytes += part.length;
    if (this.#heldBytes > this.#maxEventBytes) {
      this.#tooLarge = true;
      this.#held = [];
    } else if (part.length > 0) this.#held.push(part);
  }

  #cut(): SseEvent {
    const [only] = this.#held;
    const raw = this.#held.length === 1 && only ? only : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return { raw };
  }
}

/** The event's data as a client would put it together: its `data` lines joined with LF. Undefined when it has none. */
export function sseData(raw: Uint8Array): string | undefined {
  const data = linesOf(raw).flatMap((line) => dataOf(line.text) ?? []);
  return data.length === 0 ? undefined : data.join("\n");
}

/** The same event with other data; every other line (id, event, retry, comments) stays as it is. */
export function replaceSseData(raw: Uint8Array, data: string): Uint8Array {
  const parts: string[] = [];
  let replaced = false;
  for (const line of linesOf(raw)) {
    if (dataOf(line.text) === undefined) parts.push(line.text + line.ending);
    else if (!replaced) {
      replaced = true;
      for (const text of data.split("\n")) parts.push(`data: ${text}${line.ending}`);
    }
  }
  return Buffer.from(parts.join(""));
}

function linesOf(raw: Uint8Array): { readonly text: string; readonly ending: string }[] {
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("utf8");
  const lines: { text: string; ending: string }[] = [];
  for (const [, line = "", ending = ""] of text.matchAll(/([^\r\n]*)(\r\n|\n|\r)/g))
    lines.push({ text: line, ending });
  return lines;
}

/** The byte order mark is one a client would skip at the start of the stream. */
function dataOf(line: string): string | undefined {
  const field = line.startsWith("\ufeff") ? line.slice(1) : line;
  if (field === "data") return "";
  if (!field.startsWith("data:")) return undefined;
  return field.startsWith("data: ") ? field.slice(6) : field.slice(5);
}
