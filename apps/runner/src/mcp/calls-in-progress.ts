/** Calls that run, by the sandbox that they run in: bounded, and ended together with it. */
export class CallsInProgress {
  readonly #most: number;
  readonly #calls = new Map<string, Set<AbortController>>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * One more call, whose signal aborts with its caller's, and when its sandbox ends; undefined when there are too many.
   * `done` must follow.
   */
  begin(handle: string, caller: AbortSignal): { readonly signal: AbortSignal; done(): void } | undefined {
    const calls = this.#calls.get(handle) ?? new Set();
    if (calls.size >= this.#most) return undefined;
    const call = new AbortController();
    this.#calls.set(handle, calls.add(call));
    const unfollow = follow(call, caller);
    return {
      signal: call.signal,
      done: () => {
        unfollow();
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

/**
 * Aborts with another signal, until it is told to stop. `AbortSignal.any` would do, but what it makes is held by weak
 * references, which only a full collection clears: at some of them for each call that is most of a runner's garbage.
 */
export function follow(controller: AbortController, signal: AbortSignal): () => void {
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}
