import { ServiceError } from "@sallyport/contracts";
import { type Frame, FrameType, frame } from "./frames.ts";
import type { LinkLimits } from "./limits.ts";

/** The server's side of an exchange: head and whole body have arrived, the reply is written under the caller's credit. */
export interface Incoming {
  readonly id: number;
  readonly head: object;
  readonly body: Uint8Array;
  reply(head: object): void;
  /** Sends body bytes. False means: stop reading the upstream until `on.drain` is called. */
  write(chunk: Uint8Array): boolean;
  end(): void;
  fail(error: ServiceError): void;
  /** At most one listener each: the caller has gone; there is credit again. */
  on(events: { cancel(): void; drain(): void }): void;
  /** The caller has gone, or the exchange has ended. */
  readonly over: boolean;
}

interface IncomingLink {
  send(one: Frame): void;
  ended(): void;
  /** So many more bytes of requests are held here (or fewer). False when that is too much over all exchanges. */
  holds(bytes: number): boolean;
  ready(exchange: Incoming): void;
  limits: LinkLimits;
}

const empty = new Uint8Array(0);

export class IncomingExchange {
  readonly id: number;
  readonly head: object;
  readonly #link: IncomingLink;
  #body: Uint8Array[] = [];
  #bodyBytes = 0;
  #complete = false;
  #credit: number;
  /** Bytes that were written without credit: never more than one chunk of the upstream's, because it is paused. */
  #waiting: Uint8Array[] = [];
  #ending = false;
  #over = false;
  #events: { cancel(): void; drain(): void } | undefined;

  constructor(id: number, head: object, link: IncomingLink) {
    this.id = id;
    this.head = head;
    this.#link = link;
    this.#credit = link.limits.windowBytes;
  }

  get over(): boolean {
    return this.#over;
  }

  body(chunk: Uint8Array, end: boolean): void {
    if (this.#over || this.#complete) return;
    this.#bodyBytes += chunk.length;
    if (!this.#link.holds(chunk.length)) {
      this.fail(new ServiceError("exhausted", "too many large requests at this connector; try again"));
      return;
    }
    if (this.#bodyBytes > this.#link.limits.maxRequestBytes) {
      this.fail(
        new ServiceError("invalid", `the request's body is over ${this.#link.limits.maxRequestBytes} bytes`),
      );
      return;
    }
    if (chunk.length > 0) this.#body.push(chunk);
    if (!end) return;
    this.#complete = true;
    const whole = this.#body.length === 1 ? (this.#body[0] as Uint8Array) : Buffer.concat(this.#body);
    this.#body = [];
    this.#link.ready(this.#incoming(whole));
  }

  credit(bytes: number): void {
    if (this.#over) return;
    // A caller that grants without bound gains nothing: the upstream is read at its own pace.
    this.#credit = Math.min(this.#credit + bytes, this.#link.limits.windowBytes);
    this.#drain();
    if (!this.#over && this.#waiting.length === 0 && this.#credit > 0) this.#events?.drain();
  }

  cancelled(): void {
    if (this.#over) return;
    this.#finish();
    this.#events?.cancel();
  }

  fail(error: ServiceError): void {
    if (this.#over) return;
    this.#finish();
    const payload = Buffer.from(JSON.stringify({ code: error.code, message: error.message }));
    this.#link.send(frame(FrameType.error, this.id, payload));
  }

  #incoming(body: Uint8Array): Incoming {
    const self = this;
    return {
      id: this.id,
      head: this.head,
      body,
      get over() {
        return self.#over;
      },
      reply: (head) => this.#reply(head),
      write: (chunk) => this.#write(chunk),
      end: () => this.#end(),
      fail: (error) => this.fail(error),
      on: (events) => {
        this.#events = events;
      },
    };
  }

  #reply(head: object): void {
    if (this.#over) return;
    const bytes = Buffer.from(JSON.stringify(head));
    if (bytes.length <= this.#link.limits.maxHeadBytes) {
      this.#link.send(frame(FrameType.head, this.id, bytes));
      return;
    }
    // The caller would have to end the link for it: one upstream's headers would end every other call.
    this.fail(new ServiceError("internal", "the upstream's reply has headers that are too large"));
    this.#events?.cancel();
  }

  #write(chunk: Uint8Array): boolean {
    if (this.#over || this.#ending || chunk.length === 0) return true;
    this.#waiting.push(chunk);
    this.#drain();
    return this.#waiting.length === 0 && this.#credit > 0;
  }

  #end(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    this.#drain();
  }

  #drain(): void {
    const { maxChunkBytes } = this.#link.limits;
    for (let chunk = this.#waiting[0]; chunk !== undefined && this.#credit > 0; chunk = this.#waiting[0]) {
      const part = chunk.subarray(0, Math.min(chunk.length, this.#credit, maxChunkBytes));
      this.#credit -= part.length;
      if (part.length === chunk.length) this.#waiting.shift();
      else this.#waiting[0] = chunk.subarray(part.length);
      const last = this.#ending && this.#waiting.length === 0;
      this.#link.send(frame(FrameType.data, this.id, part, last));
      if (last) {
        this.#finish();
        return;
      }
    }
    if (this.#ending && this.#waiting.length === 0) {
      this.#link.send(frame(FrameType.data, this.id, empty, true));
      this.#finish();
    }
  }

  #finish(): void {
    this.#over = true;
    this.#waiting = [];
    this.#body = [];
    this.#link.holds(-this.#bodyBytes);
    this.#link.ended();
  }
}
