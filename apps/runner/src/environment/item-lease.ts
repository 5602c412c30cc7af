import { ApiError } from "./api-error.ts";
import { pause } from "./backoff.ts";
import type { ItemApi } from "./work-api.ts";

/**
 * - `stopping`: the environment wants it to end, or does not prolong the lease.
 * - `lost`: 412, or no beat within one TTL: the item is the queue's or another worker's, and nothing may be said about it.
 * - `rejected`: the beats are refused for good, as with a revoked token.
 */
export type LeaseEnd = "stopping" | "lost" | "rejected";

const firstTtlMs = 90_000;
const most = 30_000;
const least = 1_000;

export interface LeaseDeps {
  api: Pick<ItemApi, "heartbeat">;
  log: { warn(fields: object, message: string): void };
}

/**
 * A worker's hold on one item, by heartbeats that each name the one before. Nothing is done before the first was answered,
 * and nothing after `ended`: `signal` aborts then.
 */
export class ItemLease {
  readonly #deps: LeaseDeps;
  readonly #stop = new AbortController();
  readonly #over = new AbortController();
  #last = "NO_HEARTBEAT";
  #ttlMs = firstTtlMs;
  /** Of the last beat that was answered: when it was sent, for the server counts from no earlier. */
  #beatAt = performance.now();
  #end: LeaseEnd | undefined;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
  }

  /** Aborts when the lease has ended. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get end(): LeaseEnd | undefined {
    return this.#end;
  }

  /** How long what was begun now may still be told. */
  get ttlMs(): number {
    return this.#ttlMs;
  }

  /** The first beat, until it was answered. False: the item is not ours. */
  async begin(): Promise<boolean> {
    while (this.#end === undefined && this.#last === "NO_HEARTBEAT") {
      await this.#beat();
      if (this.#last === "NO_HEARTBEAT") await pause(least, this.#stop.signal);
    }
    return this.#end === undefined;
  }

  /** Beats until the lease ends or `release` is called. */
  async keep(): Promise<void> {
    while (this.#end === undefined && !this.#over.signal.aborted) {
      // A beat that failed may leave less than that: at the lease's end it is asked once more, and known.
      const waitMs = Math.max(0, Math.min(this.#everyMs, this.#leftMs));
      await pause(waitMs, AbortSignal.any([this.#stop.signal, this.#over.signal]));
      if (this.#end === undefined && !this.#over.signal.aborted) await this.#beat();
    }
  }

  /** No more beats. */
  release(): void {
    this.#over.abort();
  }

  get #everyMs(): number {
    return Math.max(least, Math.min(this.#ttlMs / 2, most));
  }

  get #leftMs(): number {
    return this.#beatAt + this.#ttlMs - performance.now();
  }

  /** Cut off before the next one is due, and at the lease's end: nothing may go on for which there is no lease. */
  async #beat(): Promise<void> {
    const asked = performance.now();
    const cut = AbortSignal.timeout(Math.max(1, Math.ceil(Math.min(this.#everyMs, this.#leftMs))));
    try {
      const beat = await this.#deps.api.heartbeat(this.#last, AbortSignal.any([cut, this.#over.signal]));
      this.#last = beat.last_heartbeat;
      this.#beatAt = asked;
      if (beat.ttl_seconds > 0) this.#ttlMs = Math.min(beat.ttl_seconds, 3_600) * 1_000;
      if (beat.state === "stopping" || beat.state === "stopped" || !beat.lease_extended)
        this.#finish("stopping");
    } catch (error) {
      if (this.#over.signal.aborted) return;
      const known = error instanceof ApiError ? error : undefined;
      this.#deps.log.warn({ err: error }, "a heartbeat of a work item failed");
      if (known?.code === "precondition") this.#finish("lost");
      else if (known === undefined || known.fatal) this.#finish("rejected");
      else if (this.#leftMs <= 0) this.#finish("lost");
    }
  }

  #finish(end: LeaseEnd): void {
    this.#end ??= end;
    this.#stop.abort(new Error(`the work item's lease has ended: ${end}`));
  }
}
