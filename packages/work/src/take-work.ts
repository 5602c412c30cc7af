import { setTimeout as delay } from "node:timers/promises";
import { type Bus, type Closable, type QueueEntry, take } from "@sallyport/bus";
import { type Capabilities, ServiceError, WorkId, type WorkItem, workQueue } from "@sallyport/contracts";
import { WorkLease } from "./lease.ts";

const pullMs = 1_000;
const claimPatienceMs = 5_000;
const restMs = 1_000;

export interface TakeDeps {
  bus: Bus;
  pool: string;
  capabilities: Capabilities;
  /** Items at once. */
  slots: number;
  /** Runs the item to its end. `signal` aborts when it is to be stopped, or the lease is lost: then nothing may be done. */
  run(item: WorkItem, signal: AbortSignal): Promise<void>;
  /** After `run`: whether the end was this runner's to tell (`stopped`), or the item is another's by now (`lost`). */
  ended?(item: WorkItem, how: "stopped" | "lost"): void;
}

/**
 * Takes items of a pool while there are slots, and runs each under a lease of its own. Closing takes no more, hands back
 * what was claimed and not started, and waits for what runs.
 */
export function takeWork(deps: TakeDeps): Closable {
  const running = new Set<Promise<void>>();
  let closing = false;
  const taking = (async () => {
    while (!closing) {
      if (running.size >= deps.slots) {
        await Promise.race(running);
        continue;
      }
      const entry = await take(deps.bus, workQueue, { pool: deps.pool, waitMs: pullMs }).catch(
        async (error: unknown) => {
          deps.bus.log.warn({ pool: deps.pool, problem: String(error) }, "no work can be taken now");
          await delay(restMs);
          return undefined;
        },
      );
      if (entry === undefined) continue;
      const work = handle(deps, entry, () => closing)
        .catch((error: unknown) =>
          deps.bus.log.error({ pool: deps.pool, problem: String(error) }, "a work item failed here"),
        )
        .finally(() => running.delete(work));
      running.add(work);
    }
  })();
  return {
    close: async () => {
      closing = true;
      await taking;
      await Promise.all(running);
    },
  };
}

async function handle(deps: TakeDeps, entry: QueueEntry, closing: () => boolean): Promise<void> {
  const id = WorkId.safeParse(Buffer.from(entry.bytes).toString());
  if (!id.success) return entry.done();
  if (closing()) return entry.later(0);
  const lease = new WorkLease(deps.bus, id.data);
  try {
    const claimed = await lease.claim(deps.pool, deps.capabilities, claimPatienceMs);
    if (claimed.outcome === "gone") return entry.done();
    if (claimed.outcome === "later") return entry.later(claimed.retryMs);
    if (closing()) {
      await lease.release();
      return entry.later(0);
    }
    const acknowledged = await lease.ack();
    if (acknowledged.outcome !== "held") return entry.done();
    await runUnder(lease, { deps, entry, item: acknowledged.item });
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    entry.later(restMs);
  }
}

async function runUnder(
  lease: WorkLease,
  { deps, entry, item }: { deps: TakeDeps; entry: QueueEntry; item: WorkItem },
): Promise<void> {
  // The first beat comes before anything is done: a runner that was thought dead must not run what another has.
  await lease.heartbeat();
  const stop = new AbortController();
  const over = new AbortController();
  let lost = false;
  const beating = keepAlive(lease, entry, over.signal).then(
    () => stop.abort(),
    () => {
      lost = true;
      stop.abort();
    },
  );
  try {
    await deps.run(item, stop.signal);
  } catch (error) {
    deps.bus.log.error({ id: item.id, problem: String(error) }, "a session ended with an error");
  } finally {
    over.abort();
    await beating;
  }
  if (!lost) {
    try {
      await lease.stop();
      entry.done();
      deps.ended?.(item, "stopped");
      return;
    } catch (error) {
      deps.bus.log.warn({ id: item.id, problem: String(error) }, "the end of a session could not be told");
    }
  }
  deps.ended?.(item, "lost");
}

/** Beats until told that it is over. Resolves when the item is to be stopped, throws when the lease is lost. */
async function keepAlive(lease: WorkLease, entry: QueueEntry, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await delay(Math.max(50, lease.remainingMs / 3), undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    if ((await lease.heartbeat()) === "stopping") return;
    entry.alive();
  }
}
