import type { WorkItem } from "@sallyport/contracts";

/**
 * What follows for an item: what it becomes (`next`, stored only if nobody wrote in between; without it nothing changes)
 * and what the asker is told.
 */
export type Decision = { next?: WorkItem } & (
  | { outcome: "held" | "gone" }
  | { outcome: "later"; retryMs: number }
  /** The asker has no lease, or no longer: it may do nothing about this item. */
  | { outcome: "conflict"; why: string }
);

/** Who asks, under which lease. */
export interface Holder {
  runner: string;
  lease: string;
}

export interface Timing {
  /** From claim to ack. */
  claimMs: number;
  /** From one heartbeat to the last moment for the next. */
  leaseMs: number;
  /** How long the value before the last one is still taken from its holder: the answer may have been lost. */
  graceMs: number;
  /** Claims of one item; one that kills its runners must not go round for ever. */
  maxAttempts: number;
}

export const timing: Timing = { claimMs: 5_000, leaseMs: 30_000, graceMs: 15_000, maxAttempts: 5 };

/** When it is decided, in milliseconds since 1970, and by which times. */
export interface At {
  now: number;
  timing: Timing;
}

export const instant = (ms: number): string => new Date(ms).toISOString();

export function isLive(item: WorkItem, now: number): boolean {
  return item.state !== "stopped" && item.lease !== undefined && now < Date.parse(item.lease.until);
}

export function without(item: WorkItem): WorkItem {
  const { lease: _, ...rest } = item;
  return rest;
}

export function stopped(item: WorkItem, now: number): WorkItem {
  return { ...item, state: "stopped", stoppedAt: instant(now) };
}
