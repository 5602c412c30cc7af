import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ServiceError, type WorkItem } from "@sallyport/contracts";
import type { Caller, Sandboxes } from "../mcp/sandboxes.ts";
import type { Workbench } from "../tools/tool.ts";
import { contextOf } from "./call-context.ts";
import type { LiveSandbox } from "./live-sandbox.ts";
import { SandboxGone } from "./sandbox-gone.ts";
import { Session, type SessionTimes } from "./session.ts";

const openWithinMs = 30_000;
const itemWithinMs = 5_000;
const lookEveryMs = 10;

export interface PoolDeps {
  /** In front of every handle, so that an edge finds the way. */
  runner: string;
  pool: string;
  slotsPerAgent: number;
  times: Omit<SessionTimes, "openWithinMs">;
  start(session: Session): Promise<LiveSandbox>;
  /** The session is over: nobody is to find it by its handle any more. */
  ended(session: Session): void;
  log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/**
 * The sessions of one pool on this runner. Each lives as long as its work item is this runner's; a claim of an item that
 * another runner has already begun is ended at once, for a sandbox that comes back empty would be a lie.
 */
export class SandboxPool implements Sandboxes {
  readonly #deps: PoolDeps;
  readonly #sessions = new Map<string, Session>();
  readonly #unused = new Set<string>();

  constructor(deps: PoolDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Runs a claimed item: the session, until it ends or `signal` says that it must. Nothing is left when it resolves. */
  async run(item: WorkItem, signal: AbortSignal): Promise<void> {
    if (item.startedAt !== undefined) {
      this.#deps.log.warn({ item: item.id }, "the session's runner is gone, and the session with it");
      return;
    }
    if (this.#unused.delete(item.id)) return;
    const { runner, times, ended, log } = this.#deps;
    const handle = `${runner}.${randomBytes(24).toString("base64url")}`;
    const session = new Session({ item, handle, times: { ...times, openWithinMs } });
    this.#sessions.set(handle, session);
    const stop = () => session.end("it was stopped");
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    try {
      const why = await session.ended;
      log.info({ item: item.id, why }, "a session has ended");
      await session.close(why);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#sessions.delete(handle);
      ended(session);
    }
  }

  /**
   * The call that an item was claimed for was refused: its place is free for somebody else now, not when the time to open
   * it is over. The refusal may be faster than the first heartbeat of the item.
   */
  unused(item: string): void {
    const session = this.#of(item);
    if (session !== undefined) {
      if (session.owner === undefined) session.end("the call that it was claimed for was refused");
      return;
    }
    this.#unused.add(item);
    setTimeout(() => this.#unused.delete(item), openWithinMs).unref();
  }

  /** The edge's call may be faster than the first heartbeat of the item that was claimed for it. */
  async open({ principal, pool, item }: Caller): Promise<string> {
    if (item === undefined) throw new SandboxGone("no sandbox was claimed for this session; begin a new one");
    const owner = { principal, pool };
    try {
      this.#checkCount(owner);
    } catch (error) {
      this.unused(item);
      throw error;
    }
    for (const until = performance.now() + itemWithinMs; ; ) {
      const session = this.#of(item);
      if (session !== undefined) {
        session.open(owner);
        return session.handle;
      }
      if (performance.now() >= until) throw new SandboxGone("its runner did not begin the session in time");
      await delay(lookEveryMs);
    }
  }

  async use(handle: string, caller: Caller): Promise<Workbench> {
    const session = this.#find(handle, caller);
    return await session.use(() => this.#deps.start(session), contextOf(caller));
  }

  async end(handle: string, caller: Caller): Promise<void> {
    this.#find(handle, caller).end("the agent has ended it");
  }

  endAll(why: string): void {
    for (const session of this.#sessions.values()) session.end(why);
  }

  /** Another's, an unknown one and one that ended are told alike. */
  #find(handle: string, owner: { principal: string; pool: string }): Session {
    const session = this.#sessions.get(handle);
    if (session?.isOf(owner) !== true) throw new SandboxGone();
    return session;
  }

  #of(item: string): Session | undefined {
    return [...this.#sessions.values()].find((session) => session.item.id === item);
  }

  #checkCount(owner: { principal: string; pool: string }): void {
    const { slotsPerAgent, pool } = this.#deps;
    const held = [...this.#sessions.values()].filter((session) => session.isOf(owner)).length;
    if (held < slotsPerAgent) return;
    throw new ServiceError(
      "exhausted",
      `this agent has ${held} sandboxes here already (pools.${pool}.slotsPerAgent); end one`,
    );
  }
}
