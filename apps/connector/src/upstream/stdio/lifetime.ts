/** The longest that a timer of Node's can wait. */
const maxTimerMs = 2_147_483_647;

export interface LifetimeLimits {
  readonly idleMs: number;
  readonly retireBeforeMs: number;
  readonly stopBeforeMs: number;
}

export interface LifetimeEvents {
  /** Nobody has used it for long. */
  idle(): void;
  /** Its credential will end: nothing new is to begin. */
  retire(): void;
  /** It is retired and nobody uses it any more, or its credential is about to end. */
  spent(): void;
}

/** When a process that serves well must end all the same: nobody uses it, or its credential is about to end. */
export class Lifetime {
  readonly #limits: LifetimeLimits;
  readonly #events: LifetimeEvents;
  #uses = 0;
  #retired = false;
  #over = false;
  #idle: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;

  /** `expiresAt` in milliseconds since 1970; undefined where there is no credential. */
  constructor(limits: LifetimeLimits, expiresAt: number | undefined, events: LifetimeEvents) {
    this.#limits = limits;
    this.#events = events;
    this.#wait();
    if (expiresAt === undefined) return;
    // A lease of seconds is still used for half of them.
    const left = expiresAt - Date.now();
    const stopAt = expiresAt - Math.min(limits.stopBeforeMs, left / 4);
    this.#expiry = at(expiresAt - Math.min(limits.retireBeforeMs, left / 2), () => this.#retire(stopAt));
  }

  /** Something uses it, until the returned function is called. */
  use(): () => void {
    clearTimeout(this.#idle);
    this.#uses += 1;
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      this.#uses -= 1;
      if (this.#uses > 0 || this.#over) return;
      if (this.#retired) this.#events.spent();
      else this.#wait();
    };
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#idle);
    clearTimeout(this.#expiry);
  }

  #wait(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#events.idle(), this.#limits.idleMs);
  }

  #retire(stopAt: number): void {
    this.#retired = true;
    clearTimeout(this.#idle);
    this.#expiry = at(stopAt, () => this.#events.spent());
    this.#events.retire();
    if (this.#uses === 0 && !this.#over) this.#events.spent();
  }
}

function at(time: number, act: () => void): NodeJS.Timeout {
  const wait = Math.max(0, time - Date.now());
  return setTimeout(act, Math.min(wait, maxTimerMs));
}
