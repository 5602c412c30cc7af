import type { ServiceError } from "@sallyport/contracts";
import type { Header } from "@sallyport/egress";
import type { UpstreamReply } from "@sallyport/gate";

const EVENT = Buffer.from("event: message\ndata: ");
const EVENT_END = Buffer.from("\n\n");

/** One message as a server-sent event. No ids: this bridge keeps nothing that a `Last-Event-ID` could ask for. */
export function event(message: Uint8Array): Uint8Array {
  return Buffer.concat([EVENT, message, EVENT_END]);
}

export const eventStreamHeaders: readonly Header[] = [
  ["content-type", "text/event-stream"],
  ["cache-control", "no-store"],
];

/**
 * The answer to one POST: a JSON body where the response is all there is to say, a stream of events as soon as something
 * is said before it. Once it is over, by whichever side, nothing more is sent.
 */
export class PostReply {
  readonly #reply: UpstreamReply;
  #headers: readonly Header[];
  /** The agent does not keep up, or does again: what feeds this is to wait. */
  readonly #stalled: (stalled: boolean) => void;
  readonly #single: boolean;
  #state: "silent" | "events" | "over" = "silent";
  #waiting: Uint8Array[] = [];
  #paused = false;
  #ending = false;

  constructor(
    reply: UpstreamReply,
    options: { headers?: readonly Header[]; single: boolean; stalled(stalled: boolean): void },
  ) {
    this.#reply = reply;
    this.#headers = options.headers ?? [];
    this.#single = options.single;
    this.#stalled = options.stalled;
  }

  /** Something that comes before the response. */
  event(message: Uint8Array): void {
    this.#open();
    this.#write(event(message));
  }

  /** A response; `last` when no other is owed. */
  answer(message: Uint8Array, { last, status = 200 }: { last: boolean; status?: number }): void {
    if (this.#state === "silent" && this.#single && last) {
      this.#state = "over";
      this.#reply.head(status, [
        ["content-type", "application/json"],
        ["cache-control", "no-store"],
        ...this.#headers,
      ]);
      this.#reply.data(message);
      this.#reply.end();
      return;
    }
    this.event(message);
    if (last) this.end();
  }

  /** Without the headers it was made with, unless they have gone. */
  withhold(): void {
    this.#headers = [];
  }

  /** No response is owed any more. */
  end(): void {
    this.#open();
    if (this.#waiting.length > 0) this.#ending = true;
    else if (this.#over()) this.#reply.end();
  }

  /** `reached`: the server may have read the request. */
  fail(error: ServiceError, reached: boolean): void {
    if (this.#over()) this.#reply.fail(error, reached);
  }

  /** The agent has gone. */
  abandon(): void {
    this.#over();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    while (!this.#paused) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (!this.#reply.data(next)) this.#paused = true;
    }
    if (this.#paused) return;
    if (this.#ending) {
      if (this.#over()) this.#reply.end();
    } else this.#stalled(false);
  }

  #open(): void {
    if (this.#state !== "silent") return;
    this.#state = "events";
    this.#reply.head(200, [...eventStreamHeaders, ...this.#headers]);
  }

  #write(bytes: Uint8Array): void {
    if (this.#state !== "events") return;
    if (this.#paused) this.#waiting.push(bytes);
    else if (!this.#reply.data(bytes)) {
      this.#paused = true;
      this.#stalled(true);
    }
  }

  /** True the first time. */
  #over(): boolean {
    if (this.#state === "over") return false;
    this.#state = "over";
    this.#waiting = [];
    this.#stalled(false);
    return true;
  }
}
