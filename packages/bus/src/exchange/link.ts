import { ServiceError } from "@sallyport/contracts";
import { decodeFrames, encodeFrames, type Frame, FrameType, frame, frameHeaderBytes } from "./frames.ts";
import { type Incoming, IncomingExchange } from "./incoming.ts";
import { defaultLimits, type LinkLimits } from "./limits.ts";
import { type Outgoing, OutgoingExchange, type ReplyHandlers } from "./outgoing.ts";

/** Seals and opens records in strict order; throws when a record is not the very next one from the peer. */
export interface Cipher {
  /** The message for the road, with a record of these parts in a row. */
  seal(parts: readonly Uint8Array[]): Uint8Array;
  open(record: Uint8Array): Uint8Array;
}

export interface LinkOptions {
  cipher: Cipher;
  /** Puts a record on the road. False means that the road is gone, and the link with it. */
  send(record: Uint8Array): boolean;
  /** Runs the flush at the end of this turn of the event loop, together with whatever else is sent then. */
  atTurnEnd?(flush: () => void): void;
  /** A complete request has arrived: head and body. */
  opened?(exchange: Incoming): void;
  control?(message: unknown): void;
  /** Once, after every exchange was failed with the same error. */
  dead(error: ServiceError): void;
  limits?: Partial<LinkLimits>;
}

/**
 * Many exchanges over one sealed session, with flow control, heartbeats and deadlines. All that is sent in one turn of
 * the event loop travels as one record: one AEAD operation and one NATS message, however many exchanges there are.
 *
 * Anything wrong with a record (changed, replayed, reordered, missing, malformed) ends the link: every exchange on it
 * fails with an error, and none of the record's bytes reach anyone.
 */
export class Link {
  readonly limits: LinkLimits;
  readonly #options: LinkOptions;
  readonly #outgoing = new Map<number, OutgoingExchange>();
  readonly #incoming = new Map<number, IncomingExchange>();
  readonly #heartbeat: NodeJS.Timeout;
  #queue: Frame[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #nextExchange = 1;
  #lastSent: number;
  #lastHeard: number;
  #lastBeat: number;
  /** Bytes of requests, questions and answers that are held, over all exchanges in progress. */
  #requestBytes = 0;
  #error: ServiceError | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.limits = { ...defaultLimits, ...options.limits };
    this.#lastSent = this.#lastHeard = this.#lastBeat = performance.now();
    this.#heartbeat = setInterval(() => this.#beat(), this.limits.heartbeatMs / 2);
  }

  /** Why the link is dead, or undefined while it lives. */
  get error(): ServiceError | undefined {
    return this.#error;
  }

  /** Exchanges in progress. */
  get size(): number {
    return this.#outgoing.size + this.#incoming.size;
  }

  /** A heartbeat is overdue: the peer is late, or dead and not yet known to be. */
  get quiet(): boolean {
    return performance.now() - this.#lastHeard > 1.5 * this.limits.heartbeatMs;
  }

  /**
   * Starts an exchange. Throws `unavailable` when the link is dead and `exhausted` when it is full: in both cases
   * nothing has left this process.
   */
  open(request: { head: object; body: Uint8Array; deadlineMs: number }, on: ReplyHandlers): Outgoing {
    if (this.#error) throw this.#error;
    if (this.#outgoing.size >= this.limits.maxExchanges) {
      throw new ServiceError("exhausted", "too many calls in progress through this tunnel; try again");
    }
    const head = jsonBytes(request.head);
    // The peer would have to end the link for it: one caller's headers would end every other call.
    if (head.length > this.limits.maxHeadBytes) {
      throw new ServiceError("invalid", `the request's headers are over ${this.limits.maxHeadBytes} bytes`);
    }
    const id = this.#nextExchange;
    this.#nextExchange = id === 0xffffffff ? 1 : id + 1;
    const exchange = new OutgoingExchange(id, on, {
      send: (one) => this.#enqueue(one),
      ended: () => this.#outgoing.delete(id),
      holds: (bytes) => this.#holds(bytes),
      windowBytes: this.limits.windowBytes,
      maxRequestBytes: this.limits.maxRequestBytes,
      maxChunkBytes: this.limits.maxChunkBytes,
      deadlineAt: performance.now() + request.deadlineMs,
    });
    this.#outgoing.set(id, exchange);
    this.#enqueue(frame(FrameType.open, id, head, request.body.length === 0));
    const { maxChunkBytes } = this.limits;
    for (let at = 0; at < request.body.length; at += maxChunkBytes) {
      const chunk = request.body.subarray(at, at + maxChunkBytes);
      this.#enqueue(frame(FrameType.data, id, chunk, at + maxChunkBytes >= request.body.length));
    }
    return exchange;
  }

  /** Sends a message of the application, in order with everything else. */
  control(message: object): void {
    this.#enqueue(frame(FrameType.control, 0, jsonBytes(message)));
  }

  /** Takes a record from the road. */
  receive(record: Uint8Array): void {
    if (this.#error) return;
    let frames: Frame[];
    try {
      frames = decodeFrames(this.#options.cipher.open(record));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.close(
        new ServiceError("unavailable", "the tunnel was interfered with and has been closed; try again", {
          detail,
        }),
      );
      return;
    }
    this.#lastHeard = performance.now();
    for (const one of frames) {
      if (this.#error) return;
      this.#take(one);
    }
  }

  /** Ends the link: every exchange fails with this error. */
  close(error: ServiceError): void {
    if (this.#error) return;
    this.#error = error;
    clearInterval(this.#heartbeat);
    this.#queue = [];
    for (const exchange of [...this.#outgoing.values()]) exchange.fail(error);
    for (const exchange of [...this.#incoming.values()]) exchange.cancelled();
    this.#outgoing.clear();
    this.#incoming.clear();
    this.#options.dead(error);
  }

  /** Sends what is queued now. For the end of a process, which does not wait for the next turn. */
  flush(): void {
    this.#flushing = false;
    if (this.#error || this.#queue.length === 0) return;
    const frames = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#lastSent = performance.now();
    if (!this.#options.send(this.#options.cipher.seal(encodeFrames(frames)))) {
      this.close(new ServiceError("unavailable", "the tunnel's road is away; try again"));
    }
  }

  #enqueue(one: Frame): void {
    if (this.#error) return;
    const bytes = frameHeaderBytes + one.payload.length;
    if (this.#queuedBytes + bytes > this.limits.maxRecordBytes) this.flush();
    this.#queue.push(one);
    this.#queuedBytes += bytes;
    if (this.#flushing) return;
    this.#flushing = true;
    const { atTurnEnd = setImmediate } = this.#options;
    atTurnEnd(() => this.flush());
  }

  #take(one: Frame): void {
    const problem = this.#handle(one);
    if (problem === undefined) return;
    this.close(
      new ServiceError("unavailable", "the tunnel's peer broke its protocol; try again", { detail: problem }),
    );
  }

  /** What is wrong with the frame, if anything: the peer is authentic and yet breaks the protocol. */
  #handle(one: Frame): string | undefined {
    switch (one.type) {
      case FrameType.open:
        return this.#accept(one);
      case FrameType.data:
        this.#incoming.get(one.exchange)?.body(one.payload, one.end);
        return this.#outgoing.get(one.exchange)?.data(one.payload, one.end);
      case FrameType.head: {
        const head = parseJson(one.payload, this.limits.maxHeadBytes);
        if (head === undefined) return "a reply head that is not JSON";
        this.#outgoing.get(one.exchange)?.head(head);
        return undefined;
      }
      case FrameType.credit:
        if (one.payload.length !== 4) return "a credit of the wrong size";
        this.#incoming.get(one.exchange)?.credit(readUint32(one.payload));
        return undefined;
      case FrameType.cancel:
        this.#incoming.get(one.exchange)?.cancelled();
        return undefined;
      case FrameType.error:
        this.#outgoing.get(one.exchange)?.failed(one.payload);
        return undefined;
      case FrameType.control: {
        const message = parseJson(one.payload, this.limits.maxControlBytes);
        if (message === undefined) return "a control message that is not JSON";
        this.#options.control?.(message);
        return undefined;
      }
      case FrameType.ping:
        return undefined;
      case FrameType.ask:
        return this.#outgoing.get(one.exchange)?.asked(one.payload, one.end);
      case FrameType.answer:
        return this.#incoming.get(one.exchange)?.answered(one.payload, one.end);
    }
  }

  #accept(one: Frame): string | undefined {
    const { opened } = this.#options;
    const head = parseJson(one.payload, this.limits.maxHeadBytes);
    if (opened === undefined || head === undefined || this.#incoming.has(one.exchange)) {
      return "an exchange that cannot be opened";
    }
    const exchange = new IncomingExchange(one.exchange, head, {
      send: (reply) => this.#enqueue(reply),
      ended: () => this.#incoming.delete(one.exchange),
      holds: (bytes) => this.#holds(bytes),
      ready: opened,
      limits: this.limits,
    });
    if (this.#incoming.size >= this.limits.maxExchanges) {
      exchange.fail(new ServiceError("exhausted", "too many calls in progress at the far end; try again"));
      return undefined;
    }
    this.#incoming.set(one.exchange, exchange);
    if (one.end) exchange.body(nothing, true);
    return undefined;
  }

  #holds(bytes: number): boolean {
    this.#requestBytes += bytes;
    return this.#requestBytes <= this.limits.maxHeldRequestBytes;
  }

  #beat(): void {
    const now = performance.now();
    const deafFor = now - this.#lastBeat - this.limits.heartbeatMs / 2;
    this.#lastBeat = now;
    // A process that was busy with itself has not listened: that time is no silence of the peer's.
    if (deafFor > this.limits.heartbeatMs / 2) this.#lastHeard += deafFor;
    if (now - this.#lastHeard > this.limits.deadAfterMs) {
      this.close(
        new ServiceError("unavailable", "the other end of the tunnel has stopped answering; try again"),
      );
      return;
    }
    if (now - this.#lastSent >= this.limits.heartbeatMs / 2) this.#enqueue(frame(FrameType.ping, 0));
    for (const exchange of this.#outgoing.values()) exchange.tick(now);
  }
}

const nothing = new Uint8Array(0);

function readUint32(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

function jsonBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function parseJson(payload: Uint8Array, maxBytes: number): object | undefined {
  if (payload.length > maxBytes) return undefined;
  try {
    const value: unknown = JSON.parse(
      Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("utf8"),
    );
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
