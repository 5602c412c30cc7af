import { setTimeout as sleep } from "node:timers/promises";
import type { Incoming } from "@sallyport/bus";
import { type Message, unavailable } from "@sallyport/mcp";
import { Answered, type GateZone, requestId } from "./call.ts";

const lookEveryMs = 20;

/**
 * The calls that an orderly stop waits for, and the end of taking new ones. A call is a POST with a request that has
 * not got all of its answer. What stays open for as long as the agent likes (a GET stream, `subscriptions/listen`) is
 * none: nobody would ever stop. A POST without a request begins nothing; it may be the answer that a call waits for.
 */
export class CallsInProgress {
  readonly #calls = new Set<Incoming>();
  readonly #zone: GateZone;
  #draining = false;

  constructor(zone: GateZone) {
    this.#zone = zone;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Throws the agent's answer while this instance drains: nothing has left for the upstream. */
  begin(exchange: Incoming, request: { method: string; messages: readonly Message[] }): void {
    const id = requestId(request.messages);
    if (this.#draining && (id !== undefined || request.method === "GET")) {
      throw new Answered(
        unavailable({
          id,
          source: this.#zone,
          retryable: true,
          reason: `this ${this.#zone} is draining; try again`,
        }),
      );
    }
    if (id !== undefined && !request.messages.some(isSubscription)) this.#calls.add(exchange);
  }

  /** Nothing more will be said of it. A slow agent may still have to take the last of it. */
  ended(exchange: Incoming): void {
    if (exchange.over) this.#calls.delete(exchange);
  }

  /** Forgets what has gone out meanwhile. Called every second. */
  sweep(): void {
    for (const exchange of this.#calls) this.ended(exchange);
  }

  /** From now on nothing begins. Resolves with the calls that are left: none, or those that did not end in time. */
  async drain(withinMs: number): Promise<number> {
    this.#draining = true;
    const end = performance.now() + withinMs;
    for (;;) {
      this.sweep();
      const left = Math.min(lookEveryMs, end - performance.now());
      if (this.#calls.size === 0 || left <= 0) return this.#calls.size;
      await sleep(left);
    }
  }
}

function isSubscription(message: Message): boolean {
  return message.kind === "request" && message.method === "subscriptions/listen";
}
