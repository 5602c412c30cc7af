import { randomUUID } from "node:crypto";
import { type Bus, type Closable, serve } from "@sallyport/bus";
import { changeWork, ServiceError, type WorkItem } from "@sallyport/contracts";
import type { z } from "zod";
import { claim, release } from "./decide/claim.ts";
import { type At, type Decision, type Timing, timing } from "./decide/decision.ts";
import { ack, finish, heartbeat } from "./decide/hold.ts";
import type { Changed, WorkStore } from "./store.ts";

export interface ServeWorkDeps {
  store: WorkStore;
  /** Whether this runner is enrolled for this pool. Nobody is unless told. */
  mayServe(runner: string, pool: string): boolean;
  now(): number;
  timing?: Timing;
}

/** The edge's answers to its runners. Who asks is what the subject says. */
export function serveWork(bus: Bus, deps: ServeWorkDeps): Closable {
  return serve(bus, changeWork, async ({ id, lease, change }, { params: { runner } }) => {
    const holder = { runner, lease };
    const at: At = { now: deps.now(), timing: deps.timing ?? timing };
    const decide = (item: WorkItem): Decision => {
      if (!deps.mayServe(runner, item.pool))
        return { outcome: "conflict", why: `${runner} is not enrolled for pool ${item.pool}` };
      switch (change.do) {
        case "claim":
          return claim(item, { ...holder, pool: change.pool, capabilities: change.capabilities }, at);
        case "ack":
          return ack(item, holder, at);
        case "heartbeat":
          return heartbeat(item, { ...holder, expected: change.expected, beat: randomUUID() }, at);
        case "stop":
          return finish(item, holder, at);
        case "release":
          return release(item, holder, at);
      }
    };
    const changed = await deps.store.change(id, decide);
    return answerOf(changed, at.now);
  });
}

function answerOf(changed: Changed | undefined, now: number): z.input<typeof changeWork.output> {
  // An item that is not there was stopped long ago, or its enqueuer failed before it was stored.
  if (changed === undefined) return { outcome: "gone" };
  const { decision, item } = changed;
  switch (decision.outcome) {
    case "conflict":
      throw new ServiceError("conflict", decision.why);
    case "later":
      return { outcome: "later", retryMs: decision.retryMs };
    case "gone":
      return { outcome: "gone" };
    case "held":
      return {
        outcome: "held",
        item,
        beat: item.lease?.beat ?? "",
        ttlMs: Math.max(0, Date.parse(item.lease?.until ?? "") - now) || 0,
      };
  }
}
