import { IsolationError } from "../isolation-error.ts";

/** What a driver is doing: it ends before the driver does, and nothing begins after. */
export class InHand {
  readonly #works = new Set<Promise<unknown>>();
  #over = false;

  /** Throws IsolationError("closed") once `end` was called. */
  async do<T>(begin: () => Promise<T>): Promise<T> {
    if (this.#over) throw new IsolationError("closed", "the driver is closing");
    const work = begin();
    this.#works.add(work);
    try {
      return await work;
    } finally {
      this.#works.delete(work);
    }
  }

  /** Resolves when all of it has ended, well or not. */
  async end(): Promise<void> {
    this.#over = true;
    await Promise.allSettled(this.#works);
  }
}
