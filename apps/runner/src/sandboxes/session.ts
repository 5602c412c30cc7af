import type { WorkItem } from "@sallyport/contracts";
import type { CallContext } from "./call-context.ts";
import type { LiveSandbox } from "./live-sandbox.ts";
import { SandboxGone } from "./sandbox-gone.ts";

export interface SessionTimes {
  /** Claimed, and not yet opened by the agent that it was claimed for. */
  openWithinMs: number;
  idleMs: number;
  wallMs: number;
}

/** Who has a session: the agent, for its user, in a pool. */
export interface Owner {
  principal: string;
  pool: string;
}

/**
 * One agent's session, from the claim of its work item to its end. The sandbox is made at the first call, once; when it
 * is gone, so is the session.
 */
export class Session {
  readonly item: WorkItem;
  readonly handle: string;
  /** Resolves with why, once. */
  readonly ended: Promise<string>;
  readonly #times: SessionTimes;
  readonly #end: (why: string) => void;
  readonly #clocks: NodeJS.Timeout[] = [];
  #owner: Owner | undefined;
  #sandbox: Promise<LiveSandbox> | undefined;
  #live: LiveSandbox | undefined;
  #usedAt = performance.now();
  #over = false;
  #context: CallContext | undefined;

  constructor(of: { item: WorkItem; handle: string; times: SessionTimes }) {
    this.item = of.item;
    this.handle = of.handle;
    this.#times = of.times;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#end = resolve;
    const { openWithinMs, idleMs, wallMs } = of.times;
    this.#clocks.push(
      setTimeout(() => this.#owner === undefined && this.end("nobody opened it"), openWithinMs),
      setTimeout(() => this.end("it has lasted as long as a session may"), wallMs),
      setInterval(() => this.#endIfIdle(), Math.max(100, idleMs / 10)),
    );
  }

  get over(): boolean {
    return this.#over;
  }

  get owner(): Owner | undefined {
    return this.#owner;
  }

  /** Of the latest call. */
  get context(): CallContext | undefined {
    return this.#context;
  }

  isOf({ principal, pool }: Owner): boolean {
    return !this.#over && this.#owner?.principal === principal && this.#owner.pool === pool;
  }

  /** Whoever its item was claimed for takes it, once. */
  open(owner: Owner): void {
    if (this.#over || this.#owner !== undefined || this.item.pool !== owner.pool) throw new SandboxGone();
    this.#owner = owner;
    this.#usedAt = performance.now();
  }

  /** The sandbox, made by the first call. */
  async use(start: () => Promise<LiveSandbox>, context: CallContext | undefined): Promise<LiveSandbox> {
    if (this.#over) throw new SandboxGone();
    this.#context = context;
    this.#usedAt = performance.now();
    this.#sandbox ??= this.#start(start);
    const live = await this.#sandbox;
    if (this.#over) throw new SandboxGone();
    return live;
  }

  end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    for (const clock of this.#clocks) clearTimeout(clock);
    this.#end(why);
  }

  /** Ends what runs; resolves when nothing of it is left. */
  async close(why: string): Promise<void> {
    this.end(why);
    const live = await this.#sandbox?.catch(() => undefined);
    await live?.destroy();
  }

  async #start(start: () => Promise<LiveSandbox>): Promise<LiveSandbox> {
    try {
      const live = await start();
      this.#live = live;
      void live.ended.then((why) => this.end(why));
      return live;
    } catch (error) {
      // What could not be made now is not made later under the same name.
      this.end("its sandbox could not be made");
      throw error;
    }
  }

  #endIfIdle(): void {
    if (this.#live?.busy) this.#usedAt = performance.now();
    else if (this.#owner !== undefined && performance.now() - this.#usedAt >= this.#times.idleMs)
      this.end("nobody has used it");
  }
}
