import { randomBytes } from "node:crypto";
import { countQueue, enqueue, request, take } from "@sallyport/bus";
import { changeWork, type WorkItem, workQueue } from "@sallyport/contracts";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { z } from "zod";
import { capabilities, requirements } from "./decide/decide.fixture.ts";
import { holderOf } from "./decide/stop.ts";
import { enqueueWork, stopWork } from "./enqueue-work.ts";
import type { WorkStore } from "./store.ts";
import { order, startWorkWorld, type WorkWorld } from "./work.fixture.ts";

type Change = z.input<typeof changeWork.input>["change"];

afterAll(leakCheck);
let world: WorkWorld;
beforeEach(async () => {
  world = await startWorkWorld({
    timing: { claimMs: 600, leaseMs: 1_500, graceMs: 500, maxAttempts: 5 },
    ackWaitMs: 800,
  });
});
afterEach(() => world.stop());

/**
 * Runs each item until it is aborted, and notes that it does. An enqueuer hears of a start when the edge has stored it: the
 * runner hears its edge a moment later.
 */
function untilAborted() {
  const seen: string[] = [];
  const run = async (item: WorkItem, signal: AbortSignal) => {
    seen.push(item.data.id);
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  };
  return { seen, run };
}

async function stateOf(edge: Awaited<ReturnType<WorkWorld["edge"]>>, id: string) {
  return (await edge.store.read(id))?.state;
}

const counts = async (edge: Awaited<ReturnType<WorkWorld["edge"]>>) =>
  countQueue(edge.bus, workQueue, { pool: "default", timeoutMs: 2_000 });

test("an item is started by a runner that has what it needs, runs, and is stopped by the edge", async () => {
  const edge = await world.edge("e1");
  const { run, seen } = untilAborted();
  const ended: string[] = [];
  const runner = await world.runner("r1", { run, ended: (_item, how) => ended.push(how) });
  const { item, runner: name } = await edge.enqueue(5_000);
  expect(name).toBe("r1");
  await until("the start", () => seen.length > 0, { within: 5_000 });
  expect(seen).toEqual(["s1"]);
  expect(await stateOf(edge, item.id)).toBe("active");
  expect(await stopWork(edge, item.id)).toMatchObject({ state: "stopping" });
  await until("the end", async () => (await stateOf(edge, item.id)) === "stopped", { within: 5_000 });
  await until("the queue's", async () => (await counts(edge)).taken === 0, { within: 5_000 });
  await runner.close();
  expect(ended).toEqual(["stopped"]);
});

test("a lease is prolonged for as long as its runner lives", async () => {
  const edge = await world.edge("e1");
  const { run, seen } = untilAborted();
  const ended: string[] = [];
  const runners = [await world.runner("r1", { run, ended: (_item, how) => ended.push(how) })];
  const { item, runner } = await edge.enqueue(5_000);
  runners.push(await world.runner("r2", { run }));
  const over = Date.now() + 4_000;
  await until("three leases' time", () => Date.now() > over, { within: 6_000 });
  const now = await edge.store.read(item.id);
  expect(now && holderOf(now, Date.now())).toBe(runner);
  expect(seen).toEqual(["s1"]);
  await stopWork(edge, item.id);
  await Promise.all(runners.map((one) => one.close()));
  expect(ended).toEqual(["stopped"]);
});

test("a runner that cannot prove a requirement gets nothing, and nobody gets it later", async () => {
  const edge = await world.edge("e1");
  const { run, seen } = untilAborted();
  const runner = await world.runner("r1", { run });
  const wants = { requirements: { ...requirements, kernel: "separate" } as const };
  await expect(edge.enqueue(700, wants)).rejects.toMatchObject({ code: "unavailable" });
  const able = await world.runner("r2", { run, capabilities: { ...capabilities, kernel: ["separate"] } });
  await until(
    "the queue's end",
    async () =>
      Object.values(await counts(edge))
        .slice(0, 2)
        .join() === "0,0",
    {
      within: 10_000,
    },
  );
  await Promise.all([runner.close(), able.close()]);
  expect(seen).toEqual([]);
});

test("an item that no runner takes in time is stopped at once, and its enqueuer told so", async () => {
  const edge = await world.edge("e1");
  const waiting = edge.enqueue(400);
  const entry = async () => take(watcher, workQueue, { pool: "default", waitMs: 1_000 });
  const watcher = await world.join({ zone: "runner", instance: "r9" });
  const found = await entry();
  const id = Buffer.from(found?.bytes ?? "").toString();
  expect(await stateOf(edge, id)).toBe("queued");
  await expect(waiting).rejects.toMatchObject({ code: "unavailable", retryable: true });
  expect(await stateOf(edge, id)).toBe("stopped");
  const late = request(watcher, changeWork, {
    params: { runner: "r9" },
    input: { id, lease: "l".repeat(22), change: { do: "claim", pool: "default", capabilities } },
    timeoutMs: 2_000,
  });
  await expect(late).resolves.toEqual({ outcome: "gone" });
});

test("a full queue is exhausted, and what did not fit is stopped", async () => {
  const small = await startWorkWorld({ maxMessages: 1 });
  try {
    const edge = await small.edge("e1");
    const params = { pool: "default", edge: "e1" };
    await enqueue(edge.bus, workQueue, { params, bytes: Buffer.from("x"), messageId: "a", timeoutMs: 2_000 });
    const ids: string[] = [];
    const { store } = edge;
    const watched: WorkStore = {
      ...store,
      create: (item) => {
        ids.push(item.id);
        return store.create(item);
      },
    };
    await expect(enqueueWork({ ...edge, store: watched }, order, { withinMs: 5_000 })).rejects.toMatchObject({
      code: "exhausted",
      retryable: true,
    });
    expect(await stateOf(edge, ids[0] ?? "")).toBe("stopped");
  } finally {
    await small.stop();
  }
});

test("the item of a runner that was killed goes to another, once its lease has run out", async () => {
  const edge = await world.edge("e1");
  const first = untilAborted();
  const lost: string[] = [];
  const killed = await world.runner("r1", { run: first.run, ended: (_item, how) => lost.push(how) });
  const { item } = await edge.enqueue(5_000);
  const second = untilAborted();
  const other = await world.runner("r2", { run: second.run });
  await until("the first's start", () => first.seen.length === 1, { within: 10_000 });
  await killed.kill();
  await until("another's start", () => second.seen.length === 1, { within: 10_000 });
  expect(await edge.store.read(item.id)).toMatchObject({ attempts: 2, lease: { runner: "r2" } });
  await until("the loser's end", () => lost.length === 1, { within: 10_000 });
  expect(lost).toEqual(["lost"]);
  await stopWork(edge, item.id);
  await other.close();
  await killed.close();
});

test("a runner whose edge is silent stops before its lease ends: another may have the item then", async () => {
  const edge = await world.edge("e1");
  const { run, seen } = untilAborted();
  let abortedAt = 0;
  const runner = await world.runner("r1", {
    run: (item, signal) => {
      signal.addEventListener("abort", () => {
        abortedAt = Date.now();
      });
      return run(item, signal);
    },
  });
  const { item } = await edge.enqueue(5_000);
  await until("the start", () => seen.length === 1, { within: 5_000 });
  await edge.served?.close();
  const silent = edge.bus.nats.subscribe("edge.v1.*.work", { queue: "edge", callback: () => undefined });
  await until("the end", () => abortedAt > 0, { within: 10_000 });
  const leaseEnd = Date.parse((await edge.store.read(item.id))?.lease?.until ?? "");
  // A timer is late by a little.
  expect(abortedAt).toBeLessThan(leaseEnd + 150);
  silent.unsubscribe();
  await runner.close();
});

test("a runner that closes takes no more, and ends what it has", async () => {
  const edge = await world.edge("e1");
  const held = Promise.withResolvers<void>();
  let started = false;
  const run = () => {
    started = true;
    return held.promise;
  };
  const runner = await world.runner("r1", { run, slots: 1 });
  const { item } = await edge.enqueue(5_000);
  await until("the start", () => started, { within: 5_000 });
  const closing = runner.close();
  await expect(edge.enqueue(1_500)).rejects.toMatchObject({ code: "unavailable" });
  expect(await stateOf(edge, item.id)).toBe("active");
  held.resolve();
  await closing;
  expect(await stateOf(edge, item.id)).toBe("stopped");
});

test("what a runner has claimed and not started when it closes is handed back, and another starts it", async () => {
  const edge = await world.edge("e1", { serves: false });
  const { run, seen } = untilAborted();
  const closing = await world.runner("r1", { run });
  const starting = edge.enqueue(10_000);
  await until("the entry being taken", async () => (await counts(edge)).taken === 1, { within: 5_000 });
  // No edge answers yet, so its claim is still asked for when it closes.
  const closed = closing.close();
  await world.edge("e2");
  await closed;
  expect(seen).toEqual([]);
  const other = await world.runner("r2", { run });
  const { item, runner } = await starting;
  expect(runner).toBe("r2");
  expect(item.attempts, "a claim that was handed back does not count").toBe(1);
  await stopWork(edge, item.id);
  await other.close();
});

test("a runner speaks in its own name only, and only for a pool that it is enrolled for", async () => {
  const edge = await world.edge("e1", { mayServe: (runner) => runner !== "r2" });
  const { run } = untilAborted();
  const runner = await world.runner("r1", { run });
  const { item } = await edge.enqueue(5_000);
  const stranger = await world.join({ zone: "runner", instance: "r2" });
  const lease = randomBytes(16).toString("base64url");
  const asks = (as: string, change: Change) =>
    request(stranger, changeWork, {
      params: { runner: as },
      input: { id: item.id, lease, change },
      timeoutMs: 700,
    });
  await expect(asks("r2", { do: "claim", pool: "default", capabilities })).rejects.toMatchObject({
    code: "conflict",
  });
  // Not allowed by NATS: nobody hears it.
  await expect(asks("r1", { do: "stop" })).rejects.toMatchObject({ code: "timeout" });
  expect(await stateOf(edge, item.id)).toMatch(/starting|active/);
  await stopWork(edge, item.id);
  await runner.close();
});

test("of two that claim at once, through two edges, one gets it", async () => {
  const edges = [await world.edge("e1"), await world.edge("e2")];
  const waiting = edges[0]?.enqueue(2_000);
  const runners = await Promise.all(
    ["r1", "r2", "r3", "r4"].map((instance) => world.join({ zone: "runner", instance })),
  );
  const [first] = runners;
  const entry = first && (await take(first, workQueue, { pool: "default", waitMs: 1_000 }));
  const id = Buffer.from(entry?.bytes ?? "").toString();
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(
      runners.map((bus) =>
        request(bus, changeWork, {
          params: { runner: bus.who.instance },
          input: { id, lease: `${round}`.repeat(22), change: { do: "claim", pool: "default", capabilities } },
          timeoutMs: 2_000,
        }),
      ),
    );
    const winners = runners.filter((_bus, index) => answers[index]?.outcome === "held");
    expect(winners).toHaveLength(1);
    const [winner] = winners;
    if (winner === undefined) return;
    await request(winner, changeWork, {
      params: { runner: winner.who.instance },
      input: { id, lease: `${round}`.repeat(22), change: { do: "release" } },
      timeoutMs: 2_000,
    });
  }
  await expect(waiting).rejects.toMatchObject({ code: "unavailable" });
});
