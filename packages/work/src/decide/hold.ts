import type { WorkItem } from "@sallyport/contracts";
import { type At, type Decision, type Holder, instant, isLive, stopped, without } from "./decision.ts";

type Lease = NonNullable<WorkItem["lease"]>;

const lost: Decision = { outcome: "conflict", why: "the lease is lost" };

/** Pure: what was claimed is started, unless whoever wanted it has given up meanwhile. */
export function ack(item: WorkItem, holder: Holder, { now, timing }: At): Decision {
  const lease = liveLease(item, holder, now);
  if (lease === undefined || item.state === "stopping") return lost;
  if (item.state !== "queued") return { outcome: "held" };
  if (now >= Date.parse(item.startBefore)) return { ...lost, next: stopped(without(item), now) };
  const extended = { ...lease, until: instant(now + timing.leaseMs) };
  return {
    outcome: "held",
    next: { ...item, state: "starting", acknowledgedAt: instant(now), lease: extended },
  };
}

/**
 * Pure: prolongs the lease when `expected` is the value of the last heartbeat. The one before it, from the same holder
 * and for a moment, changes nothing and is told the last one again: its answer was lost. An item that is to be stopped is
 * not prolonged, and the value is not compared.
 */
export function heartbeat(
  item: WorkItem,
  ask: Holder & { expected: string; beat: string },
  { now, timing }: At,
): Decision {
  const lease = liveLease(item, ask, now);
  if (lease === undefined || item.state === "queued") return lost;
  if (item.state === "stopping") return { outcome: "held" };
  const { previous } = lease;
  if (ask.expected !== lease.beat) {
    const answerLost = previous?.beat === ask.expected && now < Date.parse(previous.until);
    return answerLost ? { outcome: "held" } : { outcome: "conflict", why: "another heartbeat was expected" };
  }
  return {
    outcome: "held",
    next: {
      ...item,
      state: "active",
      startedAt: item.startedAt ?? instant(now),
      latestHeartbeatAt: instant(now),
      lease: {
        ...lease,
        until: instant(now + timing.leaseMs),
        beat: ask.beat,
        previous: { beat: lease.beat, until: instant(now + timing.graceMs) },
      },
    },
  };
}

/** Pure: the holder has ended. A stopped item remembers whose it was, so that a loser is not told that it finished it. */
export function finish(item: WorkItem, holder: Holder, { now }: At): Decision {
  if (item.state === "stopped") return isOf(item.lease, holder) ? { outcome: "gone" } : lost;
  if (liveLease(item, holder, now) === undefined || item.state === "queued") return lost;
  return { outcome: "gone", next: stopped(item, now) };
}

function liveLease(item: WorkItem, holder: Holder, now: number): Lease | undefined {
  return isLive(item, now) && isOf(item.lease, holder) ? item.lease : undefined;
}

function isOf(lease: Lease | undefined, { runner, lease: id }: Holder): boolean {
  return lease?.runner === runner && lease.id === id;
}
