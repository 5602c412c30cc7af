import type { Capabilities, WorkItem } from "@sallyport/contracts";
import { instant, type Timing } from "./decision.ts";

export const requirements: WorkItem["requirements"] = {
  kernel: "shared",
  network: "none",
  memoryMiB: 256,
  pids: 64,
  cpu: 1,
  diskMiB: 512,
};

export const capabilities: Capabilities = { ...requirements, kernel: ["shared"], network: ["none"] };

export const quick: Timing = { claimMs: 100, leaseMs: 1_000, graceMs: 200, maxAttempts: 3 };

export function queuedItem(more: Partial<WorkItem> = {}): WorkItem {
  return {
    id: `work_${"x".repeat(22)}`,
    tenant: "t",
    pool: "default",
    state: "queued",
    data: { type: "session", id: "s1" },
    requirements,
    metadata: {},
    createdAt: instant(0),
    startBefore: instant(5_000),
    startWithinMs: 5_000,
    attempts: 0,
    ...more,
  };
}
