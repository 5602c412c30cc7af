import type { WorkItem } from "@sallyport/contracts";
import { type At, type Decision, instant, isLive, stopped, without } from "./decision.ts";
import { reclaim } from "./reclaim.ts";

/** Pure: whoever wanted the item wants it no more. What has not started never will; a holder hears it at its next beat. */
export function requestStop(found: WorkItem, at: At): Decision {
  const item = reclaim(found, at);
  if (item.state === "stopped") return item === found ? { outcome: "gone" } : { outcome: "gone", next: item };
  if (item.state === "queued") return { outcome: "gone", next: stopped(without(item), at.now) };
  if (item.state === "stopping") return { outcome: "held" };
  return {
    outcome: "held",
    next: { ...item, state: "stopping", stopRequestedAt: instant(at.now) },
  };
}

/** Pure: the runner that has started the item and holds it now. */
export function holderOf(item: WorkItem, now: number): string | undefined {
  return item.state !== "queued" && isLive(item, now) ? item.lease?.runner : undefined;
}

/** Pure: the runner that has started the item, whether it holds it now or has ended it since. */
export function startedBy(item: WorkItem, now: number): string | undefined {
  const ended = item.state === "stopped" && item.acknowledgedAt !== undefined;
  return ended ? item.lease?.runner : holderOf(item, now);
}
