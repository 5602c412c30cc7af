import type { UpstreamReply } from "@sallyport/gate";
import type { ChildMessage } from "./child-message.ts";
import { event, eventStreamHeaders } from "./post-reply.ts";

type Sent = Exclude<ChildMessage, { kind: "response" }>;

export interface StandaloneLimits {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
}

/**
 * The GET stream of a session, and what waits for one. An agent that does not open it or does not read it costs a
 * bounded queue, never the server's other answers: the oldest notification is dropped first, then requests are refused.
 */
export class Standalone {
  readonly #limits: StandaloneLimits;
  /** The server is owed an answer to each of its requests. */
  readonly #refuse: (request: Extract<Sent, { kind: "request" }>) => void;
  #queue: Sent[] = [];
  #bytes = 0;
  #reply: UpstreamReply | undefined;
  #paused = false;

  constructor(limits: StandaloneLimits, refuse: (request: Extract<Sent, { kind: "request" }>) => void) {
    this.#limits = limits;
    this.#refuse = refuse;
  }

  get isOpen(): boolean {
    return this.#reply !== undefined;
  }

  open(reply: UpstreamReply): void {
    this.#reply = reply;
    this.#paused = false;
    reply.head(200, eventStreamHeaders);
    this.#flush();
  }

  /** The agent has gone; another stream may be opened. */
  detach(reply: UpstreamReply): void {
    if (this.#reply === reply) this.#reply = undefined;
  }

  resume(reply: UpstreamReply): void {
    if (this.#reply !== reply) return;
    this.#paused = false;
    this.#flush();
  }

  send(message: Sent): void {
    this.#queue.push(message);
    this.#bytes += message.bytes.length;
    this.#flush();
    while (this.#queue.length > this.#limits.maxQueued || this.#bytes > this.#limits.maxQueuedBytes)
      this.#drop();
  }

  close(): void {
    this.#reply?.end();
    this.#reply = undefined;
    this.#queue = [];
    this.#bytes = 0;
  }

  #flush(): void {
    while (this.#reply !== undefined && !this.#paused) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#bytes -= next.bytes.length;
      if (!this.#reply.data(event(next.bytes))) this.#paused = true;
    }
  }

  #drop(): void {
    const notification = this.#queue.findIndex(({ kind }) => kind === "notification");
    const [dropped] = this.#queue.splice(Math.max(notification, 0), 1);
    if (dropped === undefined) return;
    this.#bytes -= dropped.bytes.length;
    if (dropped.kind === "request") this.#refuse(dropped);
  }
}
