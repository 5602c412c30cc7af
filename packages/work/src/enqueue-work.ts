import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Bus, enqueue } from "@sallyport/bus";
import { ServiceError, type WorkItem, workQueue } from "@sallyport/contracts";
import { type Timing, timing } from "./decide/decision.ts";
import { holderOf, requestStop } from "./decide/stop.ts";
import type { WorkStore } from "./store.ts";

const lookEveryMs = 50;
const publishMs = 2_000;

/** What is to be run, before it is an item. */
export type WorkOrder = Pick<WorkItem, "tenant" | "pool" | "data" | "requirements" | "metadata">;

export interface EnqueueDeps {
  bus: Bus;
  store: WorkStore;
  now(): number;
  timing?: Timing;
}

/**
 * Enqueues an item and resolves when a runner has started it. Throws `exhausted` when the queue is full, `unavailable`
 * when no runner takes it within `withinMs` (600,000 at most) or NATS is away. Then the item is stopped; where even that
 * cannot be stored, its `startBefore` is over: it is never started later.
 */
export async function enqueueWork(
  deps: EnqueueDeps,
  order: WorkOrder,
  options: { withinMs: number; signal?: AbortSignal },
): Promise<{ item: WorkItem; runner: string }> {
  const { bus, store } = deps;
  const created = deps.now();
  const until = created + options.withinMs;
  const item: WorkItem = {
    ...order,
    id: `work_${randomBytes(16).toString("base64url")}`,
    state: "queued",
    createdAt: new Date(created).toISOString(),
    startBefore: new Date(until).toISOString(),
    startWithinMs: options.withinMs,
    attempts: 0,
  };
  await store.create(item);
  try {
    await enqueue(bus, workQueue, {
      params: { pool: item.pool, edge: bus.who.instance },
      bytes: Buffer.from(item.id),
      messageId: item.id,
      timeoutMs: Math.min(publishMs, options.withinMs),
    });
    while (deps.now() < until && options.signal?.aborted !== true) {
      const started = await startedItem(deps, item.id);
      if (started !== undefined) return started;
      await delay(lookEveryMs);
    }
    throw new ServiceError("unavailable", `no runner of pool ${item.pool} took the session in time`);
  } catch (error) {
    const runner = await giveUp(deps, item.id);
    if (runner !== undefined) return runner;
    throw error;
  }
}

async function startedItem({ store, now }: EnqueueDeps, id: string) {
  const item = await store.read(id).catch((error: unknown) => {
    // NATS may come back within the time.
    if (error instanceof ServiceError && ["unavailable", "timeout"].includes(error.code)) return undefined;
    throw error;
  });
  const runner = item === undefined ? undefined : holderOf(item, now());
  return item === undefined || runner === undefined ? undefined : { item, runner };
}

/** Stops the item, unless a runner was started on it in the last moment: then it is that runner's. */
async function giveUp(
  deps: EnqueueDeps,
  id: string,
): Promise<{ item: WorkItem; runner: string } | undefined> {
  const at = { now: deps.now(), timing: deps.timing ?? timing };
  try {
    const changed = await deps.store.change(id, (item) =>
      holderOf(item, at.now) === undefined ? requestStop(item, at) : { outcome: "held" },
    );
    const runner = changed === undefined ? undefined : holderOf(changed.item, at.now);
    return changed === undefined || runner === undefined ? undefined : { item: changed.item, runner };
  } catch (error) {
    deps.bus.log.warn(
      { id, problem: String(error) },
      "a work item could not be stopped; its time to start is over",
    );
    return undefined;
  }
}

/** Ends an item: one that was not started never will be, a running one hears it at its next heartbeat. */
export async function stopWork(deps: EnqueueDeps, id: string): Promise<WorkItem | undefined> {
  const at = { now: deps.now(), timing: deps.timing ?? timing };
  return (await deps.store.change(id, (item) => requestStop(item, at)))?.item;
}
