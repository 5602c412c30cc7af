/**
 * Ends one request before its time: a new policy, a client that is gone, the time it may take. What an `AbortSignal` is
 * for, without what that costs each small request.
 */
export class Ending {
  /** Why; undefined while it goes on. */
  reason: Error | undefined;
  #stop: (reason: Error) => void = () => {};

  end(reason: Error): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#stop(reason);
  }

  /** Before something begins: what has ended is not sent. */
  throwIfEnded(): void {
    if (this.reason !== undefined) throw this.reason;
  }

  /** What there is to stop from now on. */
  stops(stop: (reason: Error) => void): void {
    this.#stop = stop;
  }
}
