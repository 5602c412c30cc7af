import { ApiError } from "./api-error.ts";
import type { SessionEvent, ToolUse } from "./api-shapes.ts";
import { backoffMs, pause } from "./backoff.ts";
import type { ItemLease } from "./item-lease.ts";
import { failure, resultEvent } from "./run-call.ts";
import { SessionBook } from "./session-book.ts";
import type { ItemApi } from "./work-api.ts";

const reconnect = { firstMs: 500, mostMs: 10_000 };
const resend = { firstMs: 1_000, mostMs: 30_000 };

export interface RunAbout {
  /** Under an earlier item, calls have been answered: in another sandbox. */
  answeredBefore: boolean;
  /** Aborts with the session, and with the lease. */
  signal: AbortSignal;
}

export interface ServeSessionDeps {
  api: Pick<ItemApi, "session" | "stream" | "history" | "answer">;
  session: string;
  lease: Pick<ItemLease, "signal" | "ttlMs">;
  /** Aborts when no new call may begin. */
  draining: AbortSignal;
  maxIdleMs: number;
  /** Whether this worker has the tool. */
  owns(call: ToolUse): boolean;
  /** Runs the call and says what to post. Never rejects. */
  run(call: ToolUse, about: RunAbout): Promise<object>;
  log: { warn(fields: object, message: string): void };
}

/**
 * - `over`: the session has ended, or its turn is over and nothing more was asked for a while: the item is to be stopped.
 * - `left`: there is more to do, and not here: the item is left to the queue.
 */
export type SessionEnd = "over" | "left";

/**
 * Runs a session's calls one at a time, and posts what comes of each. The stream is opened before the history is read, so
 * that nothing falls between; a stream that breaks is opened again, and the history read again.
 */
export async function serveSession(deps: ServeSessionDeps): Promise<SessionEnd> {
  const { api, session, lease, log } = deps;
  const { signal } = lease;
  if ((await api.session(session, signal)).status === "terminated") return "over";
  const run = new SessionRun(deps);
  for (let attempt = 0; ; attempt += 1) {
    try {
      const stream = await api.stream(session, run.signal);
      // Read into one list first: a call may be answered further on.
      const history: SessionEvent[] = [];
      for await (const event of api.history(session, run.signal)) history.push(event);
      run.note(history);
      for await (const event of stream) {
        attempt = 0;
        run.note([event]);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!run.signal.aborted) log.warn({ err: error, session }, "a session's events broke off");
      // Claimed again, it would fail again, for ever.
      if (error.fatal && !run.signal.aborted) run.giveUp();
    }
    if (!run.signal.aborted) await pause(backoffMs(attempt, reconnect), run.signal);
    if (run.signal.aborted) return await run.end;
  }
}

/** What runs while the events are read: one call, and the clock of a turn that is over. */
class SessionRun {
  readonly #deps: ServeSessionDeps;
  readonly #book: SessionBook;
  readonly #done = new AbortController();
  /** The reading of events ends with it. */
  readonly signal: AbortSignal;
  #answeredBefore: boolean | undefined;
  #how: SessionEnd | undefined;
  #working: Promise<void> | undefined;
  #clock: NodeJS.Timeout | undefined;

  constructor(deps: ServeSessionDeps) {
    this.#deps = deps;
    this.#book = new SessionBook(deps.owns);
    this.signal = AbortSignal.any([deps.lease.signal, this.#done.signal]);
    const drain = () => this.#next();
    deps.draining.addEventListener("abort", drain, { signal: this.signal });
  }

  /** How it ended, when the call that ran has ended too. */
  get end(): Promise<SessionEnd> {
    clearTimeout(this.#clock);
    return (this.#working ?? Promise.resolve()).then(() => this.#how ?? "left");
  }

  note(events: readonly SessionEvent[]): void {
    for (const event of events) this.#book.note(event);
    this.#answeredBefore ??= this.#book.answered > 0;
    if (this.#book.ended) this.#finish("over");
    // A rest is counted from the last event: whatever came, the session is alive.
    clearTimeout(this.#clock);
    this.#clock = undefined;
    this.#next();
  }

  giveUp(): void {
    this.#finish("over");
  }

  #next(): void {
    if (this.signal.aborted) return;
    if (this.#working !== undefined) return;
    if (this.#deps.draining.aborted) {
      this.#finish(this.#book.resting ? "over" : "left");
      return;
    }
    const call = this.#book.take();
    if (call !== undefined) {
      this.#working = this.#work(call).finally(() => {
        this.#working = undefined;
        this.#book.close(call.id);
        this.#next();
      });
    } else if (this.#book.resting) {
      this.#clock ??= setTimeout(() => this.#finish("over"), this.#deps.maxIdleMs);
    }
  }

  async #work(call: ToolUse): Promise<void> {
    const about = { answeredBefore: this.#answeredBefore === true, signal: this.signal };
    const result = await this.#deps.run(call, about);
    try {
      await this.#send(call, result);
    } catch (error) {
      this.#deps.log.warn({ err: error, call: call.id }, "a result could not be posted");
      const refused = error instanceof ApiError && error.code === "invalid";
      if (!refused || this.signal.aborted || this.#book.hasAnswer(call.id)) return;
      // Better a result that says so than a session that waits for ever.
      const { event } = failure("The call was made, and its result was refused by the API.");
      await this.#send(call, resultEvent(call, event, true)).catch((again: unknown) =>
        this.#deps.log.warn({ err: again, call: call.id }, "nothing could be posted for a call"),
      );
    }
  }

  /** For as long as the lease may hold. After it nothing is said: the call may be another's by then. */
  async #send(call: ToolUse, result: object): Promise<void> {
    const { api, session, lease } = this.#deps;
    const until = performance.now() + lease.ttlMs;
    for (let attempt = 0; ; attempt += 1) {
      // An answer to us may be lost where the result was not: the stream says so.
      if (this.signal.aborted || this.#book.hasAnswer(call.id)) return;
      try {
        return await api.answer(session, result, this.signal);
      } catch (error) {
        const passing = error instanceof ApiError && !error.fatal;
        const waitMs = (error as ApiError).retryAfterMs ?? backoffMs(attempt, resend);
        if (!passing || performance.now() + waitMs >= until) throw error;
        await pause(waitMs, this.signal);
      }
    }
  }

  #finish(how: SessionEnd): void {
    this.#how ??= how;
    clearTimeout(this.#clock);
    this.#done.abort();
  }
}
