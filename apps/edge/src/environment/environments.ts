import { randomBytes, randomUUID } from "node:crypto";
import { type Capabilities, ServiceError, type WorkItem } from "@sallyport/contracts";
import {
  type At,
  ack,
  claim,
  type Decision,
  finish,
  heartbeat,
  holderOf,
  reclaim,
  requestStop,
  type Timing,
  timing as usualTiming,
} from "@sallyport/work";
import { ApiFailure } from "./api-failure.ts";
import { type Claim, newClaim } from "./claim.ts";
import { RemoteSession } from "./remote-session.ts";
import type { ToolAnswer } from "./tool-answer.ts";

const maxSessions = 2_000;
const maxFruitless = 3;
const rememberMs = 600_000;
/** The runner that had a session may be gone without a word. */
const forgottenMs = 3_600_000;

/** What a worker outside gives a session is its own affair: it is not this edge's to prove. */
const requirements: WorkItem["requirements"] = {
  kernel: "shared",
  network: "none",
  memoryMiB: 1,
  pids: 1,
  cpu: 1,
  diskMiB: 1,
};
const capabilities: Capabilities = { ...requirements, kernel: ["shared"], network: ["none"] };

export interface EnvironmentsDeps {
  tenant: string;
  /** Milliseconds that a session may wait for a worker, 600,000 at most. */
  placeWithin: number;
  now(): number;
  timing?: Timing;
}

export interface RemoteCall {
  environment: string;
  /** Names the session among all of the caller's, and is no secret of it. */
  session: string;
  tool: string;
  input: object;
  traceparent: string | undefined;
}

/**
 * The sessions whose calls are run by workers outside, and the work items under which those take them. Each change of an
 * item is a decision of packages/work. Both live in this edge: it is the one that has the agents' calls, and a session
 * whose edge is gone is gone with it.
 */
export class Environments {
  readonly #deps: EnvironmentsDeps;
  readonly #timing: Timing;
  readonly #items = new Map<string, WorkItem>();
  readonly #claims = new Map<string, Claim>();
  readonly #sessions = new Map<string, RemoteSession>();
  readonly #byName = new Map<string, RemoteSession>();
  readonly #waiting = new Set<() => void>();
  /** Worker → when it last asked. */
  readonly #workers = new Map<string, { environment: string; at: number }>();

  constructor(deps: EnvironmentsDeps) {
    this.#deps = deps;
    this.#timing = deps.timing ?? usualTiming;
  }

  /** One tool call, run by whichever worker has or takes the session. Rejects with ServiceError, or the signal's reason. */
  async call(call: RemoteCall, signal: AbortSignal): Promise<ToolAnswer> {
    const session = this.#byName.get(call.session) ?? this.#open(call);
    session.usedAt = this.#deps.now();
    const answer = session.call(call.tool, call.input, signal);
    if (session.item === undefined) this.#enqueue(session, call.traceparent);
    return await answer;
  }

  /** Nobody asks for this session any more. */
  end(name: string): void {
    const session = this.#byName.get(name);
    if (session === undefined) return;
    this.#byName.delete(name);
    session.terminate();
    const { item } = session;
    if (item !== undefined) this.change(item, (found) => requestStop(found, this.#at()));
    this.#sessions.delete(session.id);
  }

  session(id: string): RemoteSession | undefined {
    return this.#sessions.get(id);
  }

  item(id: string): WorkItem | undefined {
    return this.#items.get(id);
  }

  claimOf(item: string): Claim | undefined {
    return this.#claims.get(item);
  }

  /** Who holds the item now, and has started it. */
  isHeld(id: string): boolean {
    const item = this.#items.get(id);
    return item !== undefined && holderOf(item, this.#deps.now()) !== undefined;
  }

  list(environment: string): WorkItem[] {
    return [...this.#items.values()].filter(({ pool }) => pool === environment);
  }

  workersPolling(environment: string): number {
    const since = this.#deps.now() - 30_000;
    return [...this.#workers.values()].filter((one) => one.environment === environment && one.at >= since)
      .length;
  }

  /** The next item for a worker, with the token that is its from now on; undefined when none came within the time. */
  async poll(
    environment: string,
    by: { key: string; worker: string; waitMs: number; signal: AbortSignal },
  ): Promise<{ item: WorkItem; token: string } | undefined> {
    this.#seen(environment, by.worker);
    for (const until = this.#deps.now() + by.waitMs; ; ) {
      const found = by.signal.aborted ? undefined : this.#claimNext(environment, by.key);
      const left = until - this.#deps.now();
      if (found !== undefined || left <= 0 || by.signal.aborted) return found;
      await this.#news(left, by.signal);
    }
  }

  ack(id: string, of: Claim): WorkItem {
    return this.#held(id, (item) => ack(item, holder(of), this.#at()));
  }

  /** Throws 412 when the lease is lost. */
  heartbeat(id: string, of: Claim, expected: string): { item: WorkItem; ttlSeconds: number } {
    const beat = randomUUID();
    const item = this.change(id, (found) => heartbeat(found, { ...holder(of), expected, beat }, this.#at()));
    if (item.decision.outcome === "conflict") {
      const state = { state: item.item.state, ttl_seconds: this.#ttlSeconds, lease_extended: false };
      const lease = { ...state, last_heartbeat: item.item.lease?.beat ?? "" };
      const details = { error_code: "heartbeat_precondition_failed", current_state: lease };
      throw new ApiFailure(412, item.decision.why, details);
    }
    return { item: item.item, ttlSeconds: this.#ttlSeconds };
  }

  stop(id: string, of: Claim, force: boolean): WorkItem {
    if (this.#items.get(id)?.state === "stopped") throw new ApiFailure(409, "the item has been stopped");
    return force
      ? this.#held(id, (item) => finish(item, holder(of), this.#at()))
      : this.change(id, (item) => requestStop(item, this.#at())).item;
  }

  /** Puts back what nobody holds any more, gives up what nobody takes, forgets what has long ended. Once a second. */
  sweep(): void {
    const now = this.#deps.now();
    for (const [id, item] of this.#items) {
      if (item.state === "stopped") {
        if (now - Date.parse(item.stoppedAt ?? "") > rememberMs) this.#items.delete(id);
        continue;
      }
      const late = item.state === "queued" && item.lease === undefined && now >= Date.parse(item.startBefore);
      this.change(id, (found) => {
        if (late) return requestStop(found, this.#at());
        const next = reclaim(found, this.#at());
        return next === found ? { outcome: "held" } : { outcome: "later", retryMs: 0, next };
      });
    }
    for (const [name, session] of this.#byName)
      if (session.openCalls === 0 && now - session.usedAt > forgottenMs) this.end(name);
    for (const [worker, { at }] of this.#workers) if (now - at > 60_000) this.#workers.delete(worker);
  }

  close(): void {
    for (const name of [...this.#byName.keys()]) this.end(name);
    this.#wake();
  }

  change(id: string, decide: (item: WorkItem) => Decision): { decision: Decision; item: WorkItem } {
    const found = this.#items.get(id);
    if (found === undefined) throw new ApiFailure(404, "there is no such work item");
    const decision = decide(found);
    const item = decision.next ?? found;
    this.#items.set(id, item);
    if (item !== found) this.#changed(item);
    return { decision, item };
  }

  get #ttlSeconds(): number {
    return Math.ceil(this.#timing.leaseMs / 1_000);
  }

  #held(id: string, decide: (item: WorkItem) => Decision): WorkItem {
    const { decision, item } = this.change(id, decide);
    if (decision.outcome === "conflict") throw new ApiFailure(409, decision.why);
    return item;
  }

  #at(): At {
    return { now: this.#deps.now(), timing: this.#timing };
  }

  #open({ environment, session: name }: RemoteCall): RemoteSession {
    if (this.#byName.size >= maxSessions)
      throw new ServiceError("exhausted", "this edge has too many sessions for workers outside");
    const session = new RemoteSession(environment);
    this.#byName.set(name, session);
    this.#sessions.set(session.id, session);
    return session;
  }

  #enqueue(session: RemoteSession, traceparent: string | undefined): void {
    const now = this.#deps.now();
    const item: WorkItem = {
      id: `work_${randomBytes(16).toString("base64url")}`,
      tenant: this.#deps.tenant,
      pool: session.environment,
      state: "queued",
      data: { type: "session", id: session.id },
      requirements,
      metadata: traceparent === undefined ? {} : { traceparent },
      createdAt: new Date(now).toISOString(),
      startBefore: new Date(now + this.#deps.placeWithin).toISOString(),
      startWithinMs: this.#deps.placeWithin,
      attempts: 0,
    };
    session.item = item.id;
    this.#items.set(item.id, item);
    this.#wake();
  }

  #claimNext(environment: string, key: string): { item: WorkItem; token: string } | undefined {
    for (const { id, pool, state } of this.#items.values()) {
      if (pool !== environment || state !== "queued") continue;
      const made = newClaim(id, key);
      const ask = { ...holder(made.claim), pool, capabilities };
      const { decision, item } = this.change(id, (found) => claim(found, ask, this.#at()));
      if (decision.outcome !== "held" || decision.next === undefined) continue;
      this.#claims.set(id, made.claim);
      return { item, token: made.token };
    }
    return undefined;
  }

  /** What follows for the session: a worker that left calls unanswered is followed by another, a few times. */
  #changed(item: WorkItem): void {
    if (item.state === "queued") this.#wake();
    if (item.state !== "stopped") return;
    this.#claims.delete(item.id);
    const session = this.#sessions.get(item.data.id);
    if (session?.item !== item.id) return;
    session.item = undefined;
    if (session.openCalls === 0) return;
    const taken = item.acknowledgedAt !== undefined;
    session.fruitless += 1;
    if (taken && session.fruitless < maxFruitless) {
      this.#enqueue(session, item.metadata.traceparent);
      return;
    }
    session.fruitless = 0;
    session.fail(new ServiceError("unavailable", unserved(item.pool, taken)));
  }

  #seen(environment: string, worker: string): void {
    if (this.#workers.size < 10_000 || this.#workers.has(worker))
      this.#workers.set(worker, { environment, at: this.#deps.now() });
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  async #news(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const clock = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => resolve(), { once: true });
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(clock);
    this.#waiting.delete(resolve);
  }
}

function unserved(environment: string, taken: boolean): string {
  return taken
    ? `the workers of environment ${environment} gave the session up without an answer`
    : `no worker of environment ${environment} took the session in time`;
}

function holder({ key, lease }: Claim): { runner: string; lease: string } {
  return { runner: key, lease };
}
