import { type ErrorCode, errorCodes, ServiceError } from "@sallyport/contracts";
import { type Frame, FrameType, frame } from "./frames.ts";

/** What becomes of a call: one head, data, then end or fail; or fail alone. Nothing follows end or fail. */
export interface ReplyHandlers {
  head(head: object): void;
  /** The bytes are valid during the call only; `consumed` must be told when they are out of this process. */
  data(chunk: Uint8Array): void;
  end(): void;
  fail(error: ServiceError): void;
  /** The server has a question, and waits. `answer` is for one call; without this handler questions end the link. */
  ask?(question: Uint8Array, answer: (bytes: Uint8Array) => void): void;
}

/** The caller's side of an exchange. */
export interface Outgoing {
  readonly id: number;
  /** So many bytes have left this process: the server may send as many more. */
  consumed(bytes: number): void;
  /** Ends interest: the upstream request is cancelled, and no handler is called any more. */
  cancel(): void;
}

interface OutgoingLink {
  send(one: Frame): void;
  ended(): void;
  /** So many more bytes of questions are held here (or fewer). False when that is too much over all exchanges. */
  holds(bytes: number): boolean;
  windowBytes: number;
  maxRequestBytes: number;
  maxChunkBytes: number;
  deadlineAt: number;
}

export class OutgoingExchange implements Outgoing {
  readonly id: number;
  readonly #on: ReplyHandlers;
  readonly #link: OutgoingLink;
  /** Bytes that the server may still send. */
  #allowed: number;
  /** Consumed bytes that have not been given back as credit. */
  #owed = 0;
  #done = false;
  #answered = false;
  #question: Uint8Array[] = [];
  #questionBytes = 0;
  /** Since when a question waits for its answer: the server's time stands still meanwhile. */
  #askedAt: number | undefined;
  #deadlineAt: number;

  constructor(id: number, on: ReplyHandlers, link: OutgoingLink) {
    this.id = id;
    this.#on = on;
    this.#link = link;
    this.#allowed = link.windowBytes;
    this.#deadlineAt = link.deadlineAt;
  }

  consumed(bytes: number): void {
    if (this.#done) return;
    this.#owed += bytes;
    // Small replies never need credit; large ones give it back in quarters, not byte by byte.
    if (this.#owed < this.#link.windowBytes / 4) return;
    const credit = Buffer.allocUnsafe(4);
    credit.writeUInt32BE(this.#owed);
    this.#allowed += this.#owed;
    this.#owed = 0;
    this.#link.send(frame(FrameType.credit, this.id, credit));
  }

  cancel(): void {
    if (this.#done) return;
    this.#finish();
    this.#link.send(frame(FrameType.cancel, this.id));
  }

  head(head: object): void {
    if (this.#done || this.#answered) return;
    this.#answered = true;
    this.#on.head(head);
  }

  /** What is wrong, if anything. */
  data(chunk: Uint8Array, end: boolean): string | undefined {
    if (this.#done) return undefined;
    // Else a reply would begin with whatever status its writer has by default.
    if (!this.#answered) return "data before the reply's head";
    if (chunk.length > this.#allowed) return "more data than credit";
    this.#allowed -= chunk.length;
    if (chunk.length > 0) this.#on.data(chunk);
    if (end && !this.#done) {
      this.#finish();
      this.#on.end();
    }
    return undefined;
  }

  /** Bytes of a question. What is wrong, if anything. */
  asked(chunk: Uint8Array, end: boolean): string | undefined {
    if (this.#done) return undefined;
    const { ask } = this.#on;
    if (ask === undefined || this.#askedAt !== undefined) return "a question where none may be";
    this.#questionBytes += chunk.length;
    if (!this.#link.holds(chunk.length) || this.#questionBytes > this.#link.maxRequestBytes)
      return "a question that is too large";
    // Copied: the record's memory is the road's.
    this.#question.push(Uint8Array.from(chunk));
    if (!end) return undefined;
    const whole = Buffer.concat(this.#question);
    this.#forgetQuestion();
    this.#askedAt = performance.now();
    ask.call(this.#on, whole, (bytes) => this.#answer(bytes));
    return undefined;
  }

  #answer(bytes: Uint8Array): void {
    if (this.#done || this.#askedAt === undefined) return;
    this.#deadlineAt += performance.now() - this.#askedAt;
    this.#askedAt = undefined;
    const { maxChunkBytes } = this.#link;
    for (let at = 0; at === 0 || at < bytes.length; at += maxChunkBytes) {
      const chunk = bytes.subarray(at, at + maxChunkBytes);
      this.#link.send(frame(FrameType.answer, this.id, chunk, at + maxChunkBytes >= bytes.length));
    }
  }

  #forgetQuestion(): void {
    this.#link.holds(-this.#questionBytes);
    this.#question = [];
    this.#questionBytes = 0;
  }

  /** An error frame: the server's own words, bounded. */
  failed(payload: Uint8Array): void {
    this.fail(readError(payload));
  }

  fail(error: ServiceError): void {
    if (this.#done) return;
    this.#finish();
    this.#on.fail(error);
  }

  /** Fails the call when no reply has begun by its deadline. A reply that has begun may stream for as long as it wants. */
  tick(now: number): void {
    if (this.#answered || this.#askedAt !== undefined || now < this.#deadlineAt) return;
    this.#link.send(frame(FrameType.cancel, this.id));
    this.fail(new ServiceError("timeout", "the upstream did not answer in time"));
  }

  #finish(): void {
    this.#done = true;
    this.#forgetQuestion();
    this.#link.ended();
  }
}

function readError(payload: Uint8Array): ServiceError {
  try {
    const error = JSON.parse(Buffer.from(payload.subarray(0, 8192)).toString("utf8")) as Record<
      string,
      unknown
    >;
    if (errorCodes.includes(error.code as ErrorCode) && typeof error.message === "string") {
      return new ServiceError(error.code as ErrorCode, error.message.slice(0, 2000));
    }
  } catch {
    // Said below: an error that cannot be read is one too.
  }
  return new ServiceError("internal", "the connector failed without saying how");
}
