import { setTimeout as later } from "node:timers/promises";
import type { Backend } from "./backend.ts";

export interface ForwardLimits {
  /** Waiting payloads, in number and bytes. The oldest is dropped for the newest. */
  maxCount: number;
  maxBytes: number;
  /** A payload that could not be delivered for so long is dropped. */
  maxAgeMs: number;
  /** The first pause after a failure; it doubles up to `maxPauseMs`. A backend's Retry-After counts, up to the same. */
  firstPauseMs: number;
  maxPauseMs: number;
}

export interface ForwardLog {
  warn(fields: object, message: string): void;
}

const warnEveryMs = 10_000;
const closeMs = 3000;

interface Waiting {
  signal: string;
  payload: Uint8Array;
  since: number;
}

/**
 * Brings payloads to one OTLP backend, in order, with patience and without ever filling the process: telemetry may be
 * dropped, and every drop is counted and said in the log now and then.
 */
export class Forward {
  readonly #backend: Backend;
  readonly #limits: ForwardLimits;
  readonly #log: ForwardLog;
  readonly #queue: Waiting[] = [];
  readonly #stop = new AbortController();
  #bytes = 0;
  #dropped = 0;
  #unsaid = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #closed = false;
  /** What the backend said last when it did not take a payload; undefined while all is well. */
  problem: string | undefined;

  constructor(backend: Backend, limits: ForwardLimits, log: ForwardLog) {
    this.#backend = backend;
    this.#limits = limits;
    this.#log = log;
  }

  /** Payloads lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  send(signal: string, payload: Uint8Array): void {
    if (this.#closed || payload.length > this.#limits.maxBytes) {
      this.#drop("there is no room for it");
      return;
    }
    // A copy: the NATS client's buffer, of which this is a part, would live as long as the queue.
    this.#queue.push({ signal, payload: payload.slice(), since: performance.now() });
    this.#bytes += payload.length;
    while (this.#queue.length > this.#limits.maxCount || this.#bytes > this.#limits.maxBytes) {
      this.#take();
      this.#drop("the queue is full");
    }
    this.#running ??= this.#run();
  }

  /** Delivers what waits for three seconds at most; what is left then is dropped and counted. */
  async close(): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.#stop.abort(), closeMs);
    await this.#running;
    clearTimeout(timer);
    while (this.#take() !== undefined) this.#drop("the collector stopped");
    await this.#backend.close();
  }

  #take(): Waiting | undefined {
    const taken = this.#queue.shift();
    this.#bytes -= taken?.payload.length ?? 0;
    return taken;
  }

  async #run(): Promise<void> {
    for (let next = this.#take(); next !== undefined; next = this.#take()) await this.#deliver(next);
    this.#running = undefined;
  }

  async #deliver({ signal, payload, since }: Waiting): Promise<void> {
    const { firstPauseMs, maxPauseMs, maxAgeMs } = this.#limits;
    for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, maxPauseMs)) {
      const delivery = await this.#backend.post(signal, payload, this.#stop.signal);
      this.problem = delivery.outcome === "taken" ? undefined : delivery.problem;
      if (delivery.outcome === "taken") return;
      if (delivery.outcome === "refused") return this.#drop(delivery.problem);
      // Jitter, so that collectors which failed together do not come back together.
      const wait = Math.min(delivery.afterMs ?? pause * (0.5 + Math.random() / 2), maxPauseMs);
      const age = performance.now() - since + wait;
      if (age > maxAgeMs || !(await this.#pause(wait))) return this.#drop(delivery.problem);
    }
  }

  /** False when the collector stops meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await later(ms, undefined, { signal: this.#stop.signal });
      return true;
    } catch {
      return false;
    }
  }

  #drop(problem: string): void {
    this.#dropped += 1;
    this.#unsaid += 1;
    const now = performance.now();
    if (now - this.#warnedAt < warnEveryMs) return;
    const fields = {
      backend: this.#backend.name,
      dropped: this.#unsaid,
      droppedInAll: this.#dropped,
      problem,
    };
    this.#log.warn(fields, "telemetry was not delivered");
    this.#warnedAt = now;
    this.#unsaid = 0;
  }
}
