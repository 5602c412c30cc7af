import { ServiceError } from "@sallyport/contracts";

export interface CircuitOptions {
  /** What is protected, as an operator knows it: `credential orders-db`. */
  name: string;
  /** Failures in a row after which nothing is tried for a while. */
  failures?: number;
  /** How long nothing is tried; then one request may try. */
  restMs?: number;
  /** Requests at once; more are `exhausted`. */
  maxInFlight?: number;
  now?: () => number;
}

/** Keeps one bad route from taking the others with it: it fails at once while it is known to be bad. */
export class Circuit {
  readonly #options: Required<CircuitOptions>;
  #inFlight = 0;
  #failed = 0;
  #restUntil = 0;

  constructor(options: CircuitOptions) {
    this.#options = { failures: 3, restMs: 2_000, maxInFlight: 32, now: Date.now, ...options };
  }

  /** Runs the work. What it throws counts as a failure of the route when `isFault` says so. */
  async run<T>(work: () => Promise<T>, isFault: (thrown: unknown) => boolean): Promise<T> {
    const { name, failures, restMs, maxInFlight, now } = this.#options;
    if (this.#inFlight >= maxInFlight) {
      throw new ServiceError("exhausted", `${name}: ${maxInFlight} requests are in progress; try again`);
    }
    const open = this.#failed >= failures;
    if (open && now() < this.#restUntil) {
      throw new ServiceError(
        "unavailable",
        `${name}: it failed ${failures} times in a row; try again in a moment`,
      );
    }
    // Of all who wait for the rest to end, one tries: the others keep failing at once until it has come back.
    if (open) this.#restUntil = now() + restMs;
    this.#inFlight += 1;
    try {
      const result = await work();
      this.#failed = 0;
      return result;
    } catch (thrown) {
      if (isFault(thrown)) {
        this.#failed += 1;
        this.#restUntil = now() + restMs;
      }
      throw thrown;
    } finally {
      this.#inFlight -= 1;
    }
  }
}
