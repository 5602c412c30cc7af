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
  /**
   * Asks the caller something in the course of the exchange; one question at a time. Rejects with ServiceError: when the
   * caller cannot answer, has gone, or what is said is over the limit of a request's body.
   */
  ask(question: Uint8Array): Promise<Uint8Array>;
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
  #asked: PromiseWithResolvers<Uint8Array> | undefined;
  #answer: Uint8Array[] = [];
  #answerBytes = 0;

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
      this.fail(new ServiceError("exhausted", "too many large requests at the far end; try again"));
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

  /** Bytes of the answer. What is wrong, if anything. */
  answered(chunk: Uint8Array, end: boolean): string | undefined {
    if (this.#over) return undefined;
    if (this.#asked === undefined) return "an answer that nobody asked for";
    this.#answerBytes += chunk.length;
    const { maxRequestBytes } = this.#link.limits;
    if (!this.#link.holds(chunk.length) || this.#answerBytes > maxRequestBytes) {
      this.fail(new ServiceError("exhausted", "the answer to this exchange's question is too large"));
      this.#events?.cancel();
      return undefined;
    }
    if (chunk.length > 0) this.#answer.push(chunk);
    if (!end) return undefined;
    const asked = this.#asked;
    const whole = Buffer.concat(this.#answer);
    this.#forgetAnswer();
    asked.resolve(whole);
    return undefined;
  }

  #ask(question: Uint8Array): Promise<Uint8Array> {
    const { maxChunkBytes, maxRequestBytes } = this.#link.limits;
    if (this.#over) return Promise.reject(nobodyAnswers());
    if (this.#asked !== undefined)
      return Promise.reject(new ServiceError("conflict", "this exchange has a question already"));
    if (question.length > maxRequestBytes)
      return Promise.reject(new ServiceError("invalid", `a question has at most ${maxRequestBytes} bytes`));
    this.#asked = Promise.withResolvers();
    const { promise } = this.#asked;
    for (let at = 0; at === 0 || at < question.length; at += maxChunkBytes) {
      const chunk = question.subarray(at, at + maxChunkBytes);
      this.#link.send(frame(FrameType.ask, this.id, chunk, at + maxChunkBytes >= question.length));
    }
    return promise;
  }

  #forgetAnswer(): void {
    this.#asked = undefined;
    this.#answer = [];
    this.#link.holds(-this.#answerBytes);
    this.#answerBytes = 0;
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
      ask: (question) => this.#ask(question),
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
    this.#asked?.reject(nobodyAnswers());
    this.#forgetAnswer();
    this.#waiting = [];
    this.#body = [];
    this.#link.holds(-this.#bodyBytes);
    this.#link.ended();
  }
}

function nobodyAnswers(): ServiceError {
  return new ServiceError("unavailable", "the exchange is over: nobody answers its question");
}
