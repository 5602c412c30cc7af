import type { WorkItem } from "@sallyport/contracts";
import { afterEach, expect, test, vi } from "vitest";
import type { LiveSandbox } from "./live-sandbox.ts";
import { SandboxGone } from "./sandbox-gone.ts";
import { type PoolDeps, SandboxPool } from "./sandboxes.ts";

afterEach(() => vi.useRealTimers());

const itemOf = (id: string, more: Partial<WorkItem> = {}) =>
  ({ id, pool: "p", tenant: "t", state: "active", attempts: 1, ...more }) as WorkItem;

interface Fake extends LiveSandbox {
  busy: boolean;
  destroyed: boolean;
  die(why: string): void;
}

/** What a session does with its sandbox; the sandbox itself is another test's. */
function fakeSandbox(): Fake {
  const { promise, resolve } = Promise.withResolvers<string>();
  const fake = {
    ...{ id: "1", busy: false, destroyed: false, ended: promise, die: resolve },
    destroy: async () => {
      fake.destroyed = true;
    },
  };
  return fake as unknown as Fake;
}

function pool(more: Partial<PoolDeps> = {}) {
  const made: Fake[] = [];
  const ended: string[] = [];
  const sandboxes = new SandboxPool({
    runner: "r1",
    pool: "p",
    slotsPerAgent: 2,
    times: { idleMs: 60_000, wallMs: 600_000 },
    start: async () => {
      const fake = fakeSandbox();
      made.push(fake);
      return fake;
    },
    ended: ({ handle }) => ended.push(handle),
    log: { info: () => {}, warn: () => {} },
    ...more,
  });
  const run = (id: string, item: Partial<WorkItem> = {}) => {
    const stop = new AbortController();
    return { stop, done: sandboxes.run(itemOf(id, item), stop.signal) };
  };
  return { sandboxes, made, ended, run };
}

const ann = { principal: "ann", pool: "p" };
const bob = { principal: "bob", pool: "p" };

test("an item is opened once, by the caller that it was claimed for, and its handle begins with the runner's name", async () => {
  const { sandboxes, run } = pool();
  const { stop, done } = run("w1");
  const handle = await sandboxes.open({ ...ann, item: "w1" });
  expect(handle).toMatch(/^r1\.[A-Za-z0-9_-]{32}$/);
  await expect(sandboxes.open({ ...bob, item: "w1" })).rejects.toThrow(SandboxGone);
  stop.abort();
  await done;
});

test("a call without an item opens nothing", async () => {
  await expect(pool().sandboxes.open(ann)).rejects.toThrow(SandboxGone);
});

test("an item of another pool is not opened here", async () => {
  const { sandboxes, run } = pool();
  const { stop, done } = run("w1", { pool: "q" });
  await expect(sandboxes.open({ ...ann, item: "w1" })).rejects.toThrow(SandboxGone);
  stop.abort();
  await done;
});

test("the sandbox is made at the first call and once, however many calls come together", async () => {
  const { sandboxes, made, run } = pool();
  const { stop, done } = run("w1");
  const handle = await sandboxes.open({ ...ann, item: "w1" });
  expect(made).toHaveLength(0);
  await Promise.all([sandboxes.use(handle, ann), sandboxes.use(handle, ann)]);
  expect(made).toHaveLength(1);
  stop.abort();
  await done;
  expect(made[0]?.destroyed).toBe(true);
});

test("another agent's handle, another pool's, an unknown one and one that ended are refused alike", async () => {
  const { sandboxes, run, ended } = pool();
  const { done } = run("w1");
  const handle = await sandboxes.open({ ...ann, item: "w1" });
  const refusals = [
    sandboxes.use(handle, bob),
    sandboxes.use(handle, { ...ann, pool: "q" }),
    sandboxes.use("r1.unknown", ann),
    sandboxes.end(handle, bob),
  ];
  for (const refusal of refusals) await expect(refusal).rejects.toThrow(new SandboxGone().message);
  await sandboxes.end(handle, ann);
  await done;
  expect(ended).toEqual([handle]);
  await expect(sandboxes.use(handle, ann)).rejects.toThrow(new SandboxGone().message);
});

test("a session whose runner is gone is never begun anew by the next one", async () => {
  const { sandboxes, made, run } = pool();
  await run("w1", { startedAt: new Date(0).toISOString(), attempts: 2 }).done;
  expect([sandboxes.size, made.length]).toEqual([0, 0]);
});

test("a sandbox that dies ends its session", async () => {
  const { sandboxes, made, run } = pool();
  const { done } = run("w1");
  const handle = await sandboxes.open({ ...ann, item: "w1" });
  await sandboxes.use(handle, ann);
  made[0]?.die("the agent broke the protocol");
  await done;
  await expect(sandboxes.use(handle, ann)).rejects.toThrow(SandboxGone);
});

test("one that cannot be made is not made later under the same handle", async () => {
  let tries = 0;
  const { sandboxes, run } = pool({
    start: () => {
      tries += 1;
      return Promise.reject(new Error("no uid is free"));
    },
  });
  const { done } = run("w1");
  const handle = await sandboxes.open({ ...ann, item: "w1" });
  await expect(sandboxes.use(handle, ann)).rejects.toThrow("no uid is free");
  await done;
  await expect(sandboxes.use(handle, ann)).rejects.toThrow(SandboxGone);
  expect(tries).toBe(1);
});

test("an agent has no more than its slots, and the place that was claimed for one too many is free at once", async () => {
  const { sandboxes, run } = pool();
  const running = ["w1", "w2"].map((id) => run(id));
  for (const item of ["w1", "w2"]) await sandboxes.open({ ...ann, item });
  const third = run("w3");
  await expect(sandboxes.open({ ...ann, item: "w3" })).rejects.toThrow("slotsPerAgent");
  await third.done;
  running.push(run("w4"));
  await sandboxes.open({ ...bob, item: "w4" });
  sandboxes.endAll("the runner stops");
  await Promise.all(running.map(({ done }) => done));
});

test("what a refused call had claimed is free at once, also when the refusal is faster than the claim", async () => {
  const { sandboxes, run } = pool();
  const begun = run("w1");
  sandboxes.unused("w1");
  await begun.done;
  sandboxes.unused("w2");
  await run("w2").done;
});

test("a refused call takes nothing from a session that is open", async () => {
  const { sandboxes, run } = pool();
  const { stop, done } = run("w1");
  const handle = await sandboxes.open({ ...ann, item: "w1" });
  sandboxes.unused("w1");
  await sandboxes.use(handle, ann);
  stop.abort();
  await done;
});

test("a session ends when nobody opens it, when nobody uses it, and when it has lasted long enough; not while a command runs", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  const { sandboxes, made, run } = pool();
  const unopened = run("w1");
  await vi.advanceTimersByTimeAsync(30_000);
  await unopened.done;

  const idle = run("w2");
  await sandboxes.open({ ...ann, item: "w2" });
  await vi.advanceTimersByTimeAsync(66_001);
  await idle.done;

  const busy = run("w3");
  const handle = await sandboxes.open({ ...ann, item: "w3" });
  await sandboxes.use(handle, ann);
  for (const sandbox of made) sandbox.busy = true;
  await vi.advanceTimersByTimeAsync(500_000);
  await sandboxes.use(handle, ann);
  await vi.advanceTimersByTimeAsync(100_000);
  await busy.done;
  expect(sandboxes.size).toBe(0);
});
