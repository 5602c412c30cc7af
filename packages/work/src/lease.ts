import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Bus, request } from "@sallyport/bus";
import { type Capabilities, changeWork, ServiceError, type WorkItem } from "@sallyport/contracts";
import type { z } from "zod";

const againMs = 250;
const askMs = 2_000;

type Answer = z.output<typeof changeWork.output>;
type Change = z.input<typeof changeWork.input>["change"];

/** A runner's hold on one item. Every word of it is conditional on this lease; `conflict` means that it is lost. */
export class WorkLease {
  readonly #bus: Bus;
  readonly #id: string;
  readonly #lease = randomBytes(16).toString("base64url");
  #beat = "NO_HEARTBEAT";
  /** On this process's monotonic clock: the lease is over at the latest then, whatever the edge would say. */
  #until = 0;

  constructor(bus: Bus, id: string) {
    this.#bus = bus;
    this.#id = id;
  }

  get remainingMs(): number {
    return this.#until - performance.now();
  }

  claim(pool: string, capabilities: Capabilities, patienceMs: number): Promise<Answer> {
    return this.#persist({ do: "claim", pool, capabilities }, performance.now() + patienceMs);
  }

  ack(): Promise<Answer> {
    return this.#persist({ do: "ack" }, this.#until);
  }

  /** The item's state as of now. Throws `conflict` when the lease is lost, or has run out unanswered. */
  async heartbeat(): Promise<WorkItem["state"]> {
    const answer = await this.#persist({ do: "heartbeat", expected: this.#beat }, this.#until);
    if (answer.outcome !== "held") throw new ServiceError("conflict", "the lease is lost");
    this.#beat = answer.beat;
    return answer.item.state;
  }

  stop(): Promise<Answer> {
    return this.#persist({ do: "stop" }, this.#until);
  }

  release(): Promise<Answer> {
    return this.#persist({ do: "release" }, this.#until);
  }

  /** An answer may be lost, an edge or NATS be away for a moment: asked again with the same words until `until`. */
  async #persist(change: Change, until: number): Promise<Answer> {
    for (;;) {
      const asked = performance.now();
      try {
        // Not past the lease's end: a holder that still waits then would run beside the next one.
        const timeoutMs = Math.min(askMs, Math.max(1, until - asked));
        const input = { id: this.#id, lease: this.#lease, change };
        const params = { runner: this.#bus.who.instance };
        const answer = await request(this.#bus, changeWork, { params, input, timeoutMs });
        if (answer.outcome === "held") this.#until = asked + answer.ttlMs;
        return answer;
      } catch (error) {
        const again =
          error instanceof ServiceError && ["unavailable", "timeout", "exhausted"].includes(error.code);
        if (!again) throw error;
        if (performance.now() + againMs >= until)
          throw new ServiceError("conflict", "the lease ran out unanswered", { cause: error });
        await delay(againMs);
      }
    }
  }
}
