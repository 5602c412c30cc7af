import { setTimeout as sleep } from "node:timers/promises";

export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** Pure but for its dice: doubling, and up to a quarter less, so that many do not come back in the same moment. */
export function backoffMs(attempt: number, { firstMs, mostMs }: Backoff, random = Math.random): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30)) * (1 - random() / 4);
}

/** Resolves early, and does not throw, when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
