/** Calls that run, by the sandbox that they run in: bounded, and ended together with it. */
export class CallsInProgress {
  readonly #most: number;
  readonly #calls = new Map<string, Set<AbortController>>();

  constructor(most: number) {
    this.#most = most;
  }

  /** One more call, whose signal aborts when its sandbox ends; undefined when there are too many. `done` must follow. */
  begin(handle: string): { readonly signal: AbortSignal; done(): void } | undefined {
    const calls = this.#calls.get(handle) ?? new Set();
    if (calls.size >= this.#most) return undefined;
    const call = new AbortController();
    this.#calls.set(handle, calls.add(call));
    return {
      signal: call.signal,
      done: () => {
        calls.delete(call);
        if (calls.size === 0 && this.#calls.get(handle) === calls) this.#calls.delete(handle);
      },
    };
  }

  end(handle: string, reason: unknown): void {
    const calls = this.#calls.get(handle) ?? [];
    this.#calls.delete(handle);
    for (const call of calls) call.abort(reason);
  }
}
