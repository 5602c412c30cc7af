import { splitPayloads } from "./split.ts";

export type Signal = "traces" | "metrics" | "logs";
/** Hands a payload on. `false` or a rejection: it was lost. */
export type Publish = (signal: Signal, payload: Uint8Array) => boolean | Promise<void>;

/** Below the 768 KiB of a telemetry message, which is below the 1 MiB of a NATS message. */
export const maxPayloadBytes = 512 * 1024;
const maxPending = 8;
const publishTimeoutMs = 5000;
const warnEveryMs = 10_000;

/**
 * The way out of the process. At most `maxPending` payloads wait for their acknowledgement; what comes on top is
 * dropped, counted, and said in the log now and then. Telemetry may be lost; it may not slow down or fill a process.
 */
export class Outlet {
  readonly #publish: Publish;
  readonly #warn: (fields: object, message: string) => void;
  readonly #pending = new Set<Promise<void>>();
  #dropped = 0;
  #unsaid = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(publish: Publish, warn: (fields: object, message: string) => void) {
    this.#publish = publish;
    this.#warn = warn;
  }

  /** Spans and metrics lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  async send<T>(
    signal: Signal,
    items: readonly T[],
    serialize: (items: readonly T[]) => Uint8Array | undefined,
  ): Promise<void> {
    if (this.#pending.size >= maxPending) return this.drop(items.length, signal, "the road is full");
    const { payloads, dropped } = splitPayloads(items, maxPayloadBytes, serialize);
    if (dropped > 0) this.drop(dropped, signal, "an item is larger than a payload may be");
    const share = Math.ceil((items.length - dropped) / Math.max(1, payloads.length));
    for (const payload of payloads) {
      const sent = this.#sendOne(signal, payload, share);
      this.#pending.add(sent);
      await sent.finally(() => this.#pending.delete(sent));
    }
  }

  async #sendOne(signal: Signal, payload: Uint8Array, count: number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("no answer in time")), publishTimeoutMs);
    timer.unref();
    try {
      const taken = await Promise.race([this.#publish(signal, payload), late.promise]);
      if (taken === false) this.drop(count, signal, "the road is closed");
    } catch (error) {
      this.drop(count, signal, error instanceof Error ? error.message : "publishing failed");
    } finally {
      clearTimeout(timer);
    }
  }

  drop(count: number, signal: Signal, problem: string): void {
    this.#dropped += count;
    this.#unsaid += count;
    const now = performance.now();
    if (now - this.#warnedAt < warnEveryMs) return;
    this.#warn(
      { signal, dropped: this.#unsaid, droppedInAll: this.#dropped, problem },
      "telemetry was dropped",
    );
    this.#warnedAt = now;
    this.#unsaid = 0;
  }
}
