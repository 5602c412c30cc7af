import type { WorkItem } from "@sallyport/contracts";
import { type At, instant, isLive, stopped, without } from "./decision.ts";

/**
 * Pure: the item as it is once its lease has run out: queued again, for as long as a start may take, or stopped when it
 * was to be stopped, has been claimed too often, or nobody has looked in time. An item that is held, or that nobody
 * holds, is given back as it is, so nothing is requeued twice.
 */
export function reclaim(item: WorkItem, { now, timing }: At): WorkItem {
  const { lease } = item;
  if (lease === undefined || item.state === "stopped" || isLive(item, now)) return item;
  const free = without(item);
  if (item.state === "queued") return free;
  const startBefore = Date.parse(lease.until) + item.startWithinMs;
  if (item.state === "stopping" || item.attempts >= timing.maxAttempts || now >= startBefore)
    return stopped(free, now);
  return { ...free, state: "queued", startBefore: instant(startBefore) };
}
