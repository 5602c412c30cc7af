/** What is known of a start that failed. */
interface Failure {
  readonly why: string;
  readonly delayMs: number;
  readonly until: number;
}

export interface BackoffLimits {
  readonly firstMs: number;
  readonly mostMs: number;
}

const maxKeys = 10_000;

/**
 * How long not to start a server again, doubled with every failure. Kept by key: a server that cannot be started waits
 * for everybody; one that an agent brings down in the middle of a call waits for that agent only.
 */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #now: () => number;
  readonly #failures = new Map<string, Failure>();

  constructor(limits: BackoffLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  failed(key: string, why: string): void {
    const before = this.#failures.get(key)?.delayMs;
    const delayMs = before === undefined ? this.#limits.firstMs : Math.min(2 * before, this.#limits.mostMs);
    this.#failures.delete(key);
    this.#failures.set(key, { why, delayMs, until: this.#now() + delayMs });
    // The oldest is forgotten: it has waited longest.
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > maxKeys && oldest !== undefined) this.#failures.delete(oldest);
  }

  succeeded(key: string): void {
    this.#failures.delete(key);
  }

  /** The failure that still counts, and how long; undefined when it may be started. */
  waiting(key: string): { readonly why: string; readonly leftMs: number } | undefined {
    const failure = this.#failures.get(key);
    if (failure === undefined) return undefined;
    const leftMs = failure.until - this.#now();
    return leftMs > 0 ? { why: failure.why, leftMs } : undefined;
  }
}
