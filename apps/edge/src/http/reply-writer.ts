import type { ServerResponse } from "node:http";
import type { Outgoing, ReplyHandlers } from "@sallyport/bus";
import { ReplyHead, ServiceError } from "@sallyport/contracts";
import type { Answer } from "@sallyport/mcp";

/** Set by HTTP itself between two hops, whatever the connector says. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "trailer",
  "upgrade",
]);

export interface WriterEvents {
  /** A failure before the reply began: what to answer. */
  answer(error: ServiceError): Answer;
  /** A failure inside an event stream: the event that says so, or undefined to cut the stream. */
  lastEvent(error: ServiceError): string | undefined;
  /** Once: the reply is complete, was cut, or the agent has gone. */
  finished(outcome: { status: number; error?: ServiceError; gone?: boolean }): void;
}

/** Writes one reply as it arrives and gives credit back as the agent takes it: a slow agent slows its upstream. */
export class ReplyWriter implements ReplyHandlers {
  /** Answers a question that the far end has meanwhile, where it may have one. */
  ask?: NonNullable<ReplyHandlers["ask"]>;
  readonly #response: ServerResponse;
  readonly #events: WriterEvents;
  #exchange: Outgoing | undefined;
  #pending = 0;
  #isEventStream = false;
  /** The last bytes of the stream so far: whether an event of ours may follow. */
  #tail = "\n\n";
  #finished = false;

  constructor(response: ServerResponse, events: WriterEvents) {
    this.#response = response;
    this.#events = events;
    response.on("close", () => {
      this.#exchange?.cancel();
      this.#finish({ status: response.statusCode, gone: true });
    });
    response.on("drain", () => {
      this.#exchange?.consumed(this.#pending);
      this.#pending = 0;
    });
  }

  /** The exchange to give credit to and to cancel. */
  attach(exchange: Outgoing): void {
    this.#exchange = exchange;
    if (!this.#response.destroyed) return;
    // The agent went before anybody listened for it.
    exchange.cancel();
    this.#finish({ status: this.#response.statusCode, gone: true });
  }

  head(head: object): void {
    const parsed = ReplyHead.safeParse(head);
    if (!parsed.success) {
      this.#exchange?.cancel();
      this.fail(new ServiceError("internal", "the connector's reply has a head that is not understood"));
      return;
    }
    const { status, headers } = parsed.data;
    const flat = headers.filter(([name]) => !hopByHop.has(name.toLowerCase())).flat();
    this.#isEventStream = headers.some(
      ([name, value]) => name.toLowerCase() === "content-type" && value.startsWith("text/event-stream"),
    );
    // Head and first bytes arrive together for a small reply: one segment, not two. A body that is late holds no head.
    this.#response.cork();
    this.#response.writeHead(status, flat);
    queueMicrotask(() => {
      if (!this.#response.writableEnded) this.#response.flushHeaders();
      this.#response.uncork();
    });
  }

  data(chunk: Uint8Array): void {
    if (this.#isEventStream) this.#tail = lastTwo(this.#tail, chunk);
    if (this.#response.write(chunk)) this.#exchange?.consumed(chunk.length);
    else this.#pending += chunk.length;
  }

  end(): void {
    this.#response.end();
    this.#finish({ status: this.#response.statusCode });
  }

  fail(error: ServiceError): void {
    if (this.#finished || this.#response.destroyed) return;
    if (!this.#response.headersSent) {
      const answer = this.#events.answer(error);
      send(this.#response, answer);
      this.#finish({ status: answer.status, error });
      return;
    }
    const event =
      this.#isEventStream && this.#tail.endsWith("\n\n") ? this.#events.lastEvent(error) : undefined;
    if (event === undefined) this.#response.destroy();
    else this.#response.end(event);
    this.#finish({ status: this.#response.statusCode, error });
  }

  #finish(outcome: { status: number; error?: ServiceError; gone?: boolean }): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#events.finished(outcome);
  }
}

export function send(response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, { ...answer.headers, "content-length": body.length });
  response.end(body);
}

function lastTwo(before: string, chunk: Uint8Array): string {
  const text = Buffer.from(chunk.subarray(Math.max(0, chunk.length - 4))).toString("latin1");
  return (before + text).replaceAll("\r\n", "\n").slice(-2);
}
