import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Bus, enqueue } from "@sallyport/bus";
import { ServiceError, type WorkItem, workQueue } from "@sallyport/contracts";
import { type Timing, timing } from "./decide/decision.ts";
import { requestStop, startedBy } from "./decide/stop.ts";
import type { WorkStore } from "./store.ts";

/** A runner that is free has an item within milliseconds; whoever waits for one to be free need not ask so often. */
const firstLookMs = 5;
const lookEveryMs = 50;
const publishMs = 2_000;
const againMs = 250;
const giveUpMs = 10_000;

/** What is to be run, before it is an item. */
export type WorkOrder = Pick<WorkItem, "tenant" | "pool" | "data" | "requirements" | "metadata">;

export interface EnqueueDeps {
  bus: Bus;
  store: WorkStore;
  now(): number;
  timing?: Timing;
}

/** An item, and the runner that has started it. */
export interface Started {
  item: WorkItem;
  runner: string;
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
): Promise<Started> {
  const { store } = deps;
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
    await publish(deps, item, until);
    let lookMs = firstLookMs;
    while (deps.now() < until && options.signal?.aborted !== true) {
      const started = await startedItem(deps, item.id);
      if (started !== undefined) return started;
      await delay(lookMs);
      lookMs = Math.min(2 * lookMs, lookEveryMs);
    }
    throw new ServiceError("unavailable", `no runner of pool ${item.pool} took the session in time`);
  } catch (error) {
    const started = await giveUp(deps, item.id);
    if (started !== undefined) return started;
    throw error;
  }
}

/** As often as it takes within the time: under one message id the queue takes it once. */
async function publish({ bus, now }: EnqueueDeps, item: WorkItem, until: number): Promise<void> {
  for (;;) {
    try {
      return await enqueue(bus, workQueue, {
        params: { pool: item.pool, edge: bus.who.instance },
        bytes: Buffer.from(item.id),
        messageId: item.id,
        timeoutMs: Math.max(1, Math.min(publishMs, until - now())),
      });
    } catch (error) {
      if (!isPassing(error) || now() + againMs >= until) throw error;
      await delay(againMs);
    }
  }
}

async function startedItem({ store, now }: EnqueueDeps, id: string): Promise<Started | undefined> {
  const item = await store.read(id).catch((error: unknown) => {
    // NATS may come back within the time.
    if (isPassing(error)) return undefined;
    throw error;
  });
  const runner = item === undefined ? undefined : startedBy(item, now());
  return item === undefined || runner === undefined ? undefined : { item, runner };
}

/**
 * Stops the item, unless a runner was started on it in the last moment: then it is that runner's. While NATS is away it
 * is not known which, so this is asked for a while longer.
 */
async function giveUp(deps: EnqueueDeps, id: string): Promise<Started | undefined> {
  for (const until = deps.now() + giveUpMs; ; ) {
    const at = { now: deps.now(), timing: deps.timing ?? timing };
    try {
      const changed = await deps.store.change(id, (item) =>
        startedBy(item, at.now) === undefined ? requestStop(item, at) : { outcome: "held" },
      );
      const runner = changed === undefined ? undefined : startedBy(changed.item, at.now);
      return changed === undefined || runner === undefined ? undefined : { item: changed.item, runner };
    } catch (error) {
      if (!isPassing(error) || deps.now() >= until) {
        const problem = String(error);
        deps.bus.log.warn({ id, problem }, "a work item could not be stopped; its time to start is over");
        return undefined;
      }
      await delay(againMs);
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof ServiceError && ["unavailable", "timeout"].includes(error.code);
}

/** Ends an item: one that was not started never will be, a running one hears it at its next heartbeat. */
export async function stopWork(deps: EnqueueDeps, id: string): Promise<WorkItem | undefined> {
  const at = { now: deps.now(), timing: deps.timing ?? timing };
  return (await deps.store.change(id, (item) => requestStop(item, at)))?.item;
}
