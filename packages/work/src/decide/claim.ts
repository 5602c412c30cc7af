import type { Capabilities, WorkItem } from "@sallyport/contracts";
import { accepts } from "./accepts.ts";
import { type At, type Decision, type Holder, instant, isLive, stopped } from "./decision.ts";
import { reclaim } from "./reclaim.ts";

const otherRunnerMs = 1_000;

/** Pure: one holder at a time, one that has what the item needs, and none when it is too late to start. */
export function claim(
  found: WorkItem,
  ask: Holder & { pool: string; capabilities: Capabilities },
  at: At,
): Decision {
  const { now, timing } = at;
  if (ask.pool !== found.pool) return { outcome: "conflict", why: "the item is another pool's" };
  const item = reclaim(found, at);
  const { lease } = item;
  if (item.state === "stopped") return item === found ? { outcome: "gone" } : { outcome: "gone", next: item };
  if (lease !== undefined && isLive(item, now)) {
    const again = item.state === "queued" && lease.runner === ask.runner && lease.id === ask.lease;
    return again ? { outcome: "held" } : { outcome: "later", retryMs: Date.parse(lease.until) - now };
  }
  if (now >= Date.parse(item.startBefore) || item.attempts >= timing.maxAttempts)
    return { outcome: "gone", next: stopped(item, now) };
  if (!accepts(ask.capabilities, item.requirements)) return { outcome: "later", retryMs: otherRunnerMs };
  return {
    outcome: "held",
    next: {
      ...item,
      attempts: item.attempts + 1,
      lease: {
        runner: ask.runner,
        id: ask.lease,
        until: instant(now + timing.claimMs),
        beat: "NO_HEARTBEAT",
      },
    },
  };
}

/** Pure: a claimed item that was not started goes back, and the claim does not count. */
export function release(item: WorkItem, holder: Holder, { now }: At): Decision {
  const { lease, ...free } = item;
  if (item.state === "queued" && lease === undefined) return { outcome: "later", retryMs: 0 };
  if (item.state === "stopped") return { outcome: "gone" };
  const own = lease?.runner === holder.runner && lease.id === holder.lease && isLive(item, now);
  if (!own || item.state !== "queued")
    return { outcome: "conflict", why: "the item is not this runner's to hand back" };
  return { outcome: "later", retryMs: 0, next: { ...free, attempts: item.attempts - 1 } };
}
