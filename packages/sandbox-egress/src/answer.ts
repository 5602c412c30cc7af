import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { FlatHeaders } from "./headers.ts";

/** Who is given a body, as it comes. */
export interface Taker {
  data(chunk: Uint8Array): void;
  end(): void;
  fail(cause?: unknown): void;
}

/** Where a body comes from. Paused, it gives what was read already, and then no more. */
export interface Source {
  pour(into: Taker): void;
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  cancel(): void;
}

/** As much of undici's controller as is used here. */
interface Flow {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

export interface Head {
  readonly status: number;
  readonly rawHeaders: FlatHeaders;
  /** After 101: what the other protocol is spoken over. */
  readonly socket?: Socket | undefined;
}

/**
 * A server's answer: its head, and a body on its way. No stream of Node's: for a small answer, that would cost as much as
 * everything that is promised of it.
 */
export class Answer implements Source, Taker {
  readonly head: Head;
  readonly #flow: Flow;
  #taker: Taker | undefined;
  /** What came with the head, before anybody could take it: never more than one reading of the socket. */
  #early: ((taker: Taker) => void)[] = [];

  constructor(head: Head, flow: Flow) {
    this.head = head;
    this.#flow = flow;
  }

  data(chunk: Uint8Array): void {
    if (this.#taker === undefined) this.#early.push((taker) => taker.data(chunk));
    else this.#taker.data(chunk);
  }

  end(): void {
    if (this.#taker === undefined) this.#early.push((taker) => taker.end());
    else this.#taker.end();
  }

  fail(cause?: unknown): void {
    if (this.#taker === undefined) this.#early.push((taker) => taker.fail(cause));
    else this.#taker.fail(cause);
  }

  pour(into: Taker): void {
    this.#taker = into;
    for (const give of this.#early) give(into);
    this.#early = [];
  }

  pause(): void {
    this.#flow.pause();
  }

  resume(): void {
    this.#flow.resume();
  }

  cancel(): void {
    this.#flow.abort(new Error("nobody wants the rest"));
  }

  /** The body, for what works on streams. */
  readable(): Readable {
    const readable = new Readable({
      read: () => this.resume(),
      destroy: (error, done) => {
        if (!readable.readableEnded) this.cancel();
        done(error);
      },
    });
    this.pour({
      data: (chunk) => readable.push(chunk) || this.pause(),
      end: () => readable.push(null),
      fail: (cause) => readable.destroy(cause instanceof Error ? cause : new Error("broken off", { cause })),
    });
    return readable;
  }
}

/** A stream as a source. */
export function sourceOf(readable: Readable): Source {
  return {
    pour(into) {
      readable.on("data", (chunk: Uint8Array) => into.data(chunk));
      readable.on("end", () => into.end());
      readable.on("error", (error) => into.fail(error));
      readable.on("close", () => readable.readableEnded || into.fail());
    },
    pause: () => readable.pause(),
    resume: () => readable.resume(),
    cancel: () => readable.destroy(),
  };
}
