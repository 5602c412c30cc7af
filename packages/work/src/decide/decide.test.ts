import type { WorkItem } from "@sallyport/contracts";
import { expect, test } from "vitest";
import { claim, release } from "./claim.ts";
import { capabilities, queuedItem, quick, requirements } from "./decide.fixture.ts";
import { type Decision, instant } from "./decision.ts";
import { ack, finish, heartbeat } from "./hold.ts";
import { reclaim } from "./reclaim.ts";
import { holderOf, requestStop, startedBy } from "./stop.ts";

const at = (now: number) => ({ now, timing: quick });
const a = { runner: "a", lease: "lease-a" };
const b = { runner: "b", lease: "lease-b" };
const asks = { pool: "default", capabilities };

function nextOf(decision: Decision): WorkItem {
  if (decision.next === undefined) throw new Error(`nothing was written: ${decision.outcome}`);
  return decision.next;
}
const claimed = (now = 0) => nextOf(claim(queuedItem(), { ...a, ...asks }, at(now)));
const started = (now = 0) => nextOf(ack(claimed(now), a, at(now)));
const beaten = (item: WorkItem, { now = 0, expected = "NO_HEARTBEAT", beat = "1" } = {}) =>
  nextOf(heartbeat(item, { ...a, expected, beat }, at(now)));

test("an item goes from claim over ack and heartbeat to its stop", () => {
  expect(claimed()).toMatchObject({ state: "queued", attempts: 1, lease: { runner: "a" } });
  expect(started()).toMatchObject({ state: "starting", acknowledgedAt: instant(0) });
  const active = beaten(started(), { now: 10 });
  expect(active).toMatchObject({ state: "active", startedAt: instant(10), lease: { until: instant(1_010) } });
  expect(finish(active, a, at(20))).toMatchObject({ outcome: "gone", next: { state: "stopped" } });
});

test("a claim that was not answered is asked for again by the same lease, and by nobody else", () => {
  expect(claim(claimed(), { ...a, ...asks }, at(10))).toEqual({ outcome: "held" });
  expect(claim(claimed(), { ...b, ...asks }, at(10))).toEqual({ outcome: "later", retryMs: 90 });
  expect(claim(claimed(), { ...a, lease: "other", ...asks }, at(10))).toMatchObject({ outcome: "later" });
});

test("a claim that is not followed by an ack runs out, and is free for others", () => {
  expect(claim(claimed(), { ...b, ...asks }, at(100))).toMatchObject({
    outcome: "held",
    next: { attempts: 2, lease: { runner: "b" } },
  });
  expect(ack(claimed(), a, at(100))).toMatchObject({ outcome: "conflict" });
});

test("an item of another pool, or one that needs more than was proved, is not given", () => {
  expect(claim(queuedItem(), { ...a, ...asks, pool: "other" }, at(0))).toMatchObject({ outcome: "conflict" });
  const separate = queuedItem({ requirements: { ...requirements, kernel: "separate" } });
  expect(claim(separate, { ...a, ...asks }, at(0))).toEqual({ outcome: "later", retryMs: 1_000 });
});

test("after its time an item is not started any more: neither claimed nor acknowledged", () => {
  expect(claim(queuedItem(), { ...a, ...asks }, at(5_000))).toMatchObject({
    outcome: "gone",
    next: { state: "stopped" },
  });
  expect(ack(claimed(4_950), a, at(5_000))).toMatchObject({
    outcome: "conflict",
    next: { state: "stopped" },
  });
});

test("an item that its runners never started is not claimed for ever", () => {
  expect(claim(queuedItem({ attempts: 3 }), { ...a, ...asks }, at(0))).toMatchObject({
    next: { state: "stopped" },
  });
});

test("a heartbeat with the last value prolongs; the one before it is told the last again, for a moment", () => {
  const once = beaten(started(), { now: 0 });
  const twice = beaten(once, { now: 500, expected: "1", beat: "2" });
  expect(twice.lease).toMatchObject({ beat: "2", until: instant(1_500) });
  expect(heartbeat(twice, { ...a, expected: "1", beat: "3" }, at(600))).toEqual({ outcome: "held" });
  expect(heartbeat(twice, { ...a, expected: "1", beat: "3" }, at(700))).toMatchObject({
    outcome: "conflict",
  });
});

test.each([
  ["an older value", { ...a, expected: "NO_HEARTBEAT" }],
  ["a value that never was", { ...a, expected: "zzz" }],
  ["the right value from another runner", { ...b, expected: "2" }],
  ["the previous value from another runner", { ...b, expected: "1" }],
  ["the right value under another lease of the same runner", { ...a, lease: "again", expected: "2" }],
])("%s is a conflict, and changes nothing", (_what, ask) => {
  const twice = beaten(beaten(started()), { now: 10, expected: "1", beat: "2" });
  const decision = heartbeat(twice, { ...ask, beat: "3" }, at(20));
  expect(decision.outcome).toBe("conflict");
  expect(decision.next).toBeUndefined();
});

test("a heartbeat before the ack, or after the lease's end, is a conflict", () => {
  expect(heartbeat(claimed(), { ...a, expected: "NO_HEARTBEAT", beat: "1" }, at(0)).outcome).toBe("conflict");
  expect(heartbeat(started(), { ...a, expected: "NO_HEARTBEAT", beat: "1" }, at(1_000)).outcome).toBe(
    "conflict",
  );
});

test("who lost the lease finishes nothing, neither before nor after another has", () => {
  const late = started();
  expect(finish(late, a, at(1_000)).outcome).toBe("conflict");
  const others = nextOf(ack(nextOf(claim(late, { ...b, ...asks }, at(1_000))), b, at(1_000)));
  expect(finish(others, a, at(1_001)).outcome).toBe("conflict");
  const done = nextOf(finish(others, b, at(1_002)));
  expect(finish(done, a, at(1_003)).outcome).toBe("conflict");
  expect(finish(done, b, at(1_003))).toEqual({ outcome: "gone" });
  expect(finish(claimed(), a, at(0)).outcome).toBe("conflict");
});

test("an item whose lease ran out is requeued once: what was reclaimed is not reclaimed again", () => {
  const item = beaten(started());
  expect(reclaim(item, at(999))).toBe(item);
  const free = reclaim(item, at(1_000));
  expect(free).toMatchObject({ state: "queued", startBefore: instant(6_000) });
  expect(free.lease).toBeUndefined();
  expect(reclaim(free, at(2_000))).toBe(free);
});

test.each([
  ["was to be stopped", nextOf(requestStop(started(), at(0))), 1_000],
  ["was claimed too often", { ...started(), attempts: 3 }, 1_000],
  ["nobody took in time", started(), 6_000],
])("an item whose lease ran out and that %s is stopped", (_why, item, now) => {
  expect(reclaim(item, at(now))).toMatchObject({ state: "stopped" });
});

test("a claimed item goes back unharmed; a started one does not", () => {
  const decision = release(claimed(), a, at(0));
  expect(decision).toMatchObject({ outcome: "later", next: { state: "queued", attempts: 0 } });
  expect(nextOf(decision).lease).toBeUndefined();
  expect(release(nextOf(decision), a, at(0))).toEqual({ outcome: "later", retryMs: 0 });
  expect(release(claimed(), b, at(0)).outcome).toBe("conflict");
  expect(release(started(), a, at(0)).outcome).toBe("conflict");
});

test("to stop: what waits never starts, what runs is told at its heartbeat and is not prolonged", () => {
  expect(nextOf(requestStop(queuedItem(), at(0)))).toMatchObject({ state: "stopped" });
  expect(ack(nextOf(requestStop(claimed(), at(0))), a, at(1)).outcome).toBe("conflict");
  const stopping = nextOf(requestStop(beaten(started()), at(5)));
  expect(stopping.state).toBe("stopping");
  expect(heartbeat(stopping, { ...a, expected: "any", beat: "9" }, at(6))).toEqual({ outcome: "held" });
  expect(requestStop(stopping, at(7))).toEqual({ outcome: "held" });
  expect(ack(stopping, a, at(7)).outcome).toBe("conflict");
  expect(finish(stopping, a, at(8))).toMatchObject({ outcome: "gone", next: { state: "stopped" } });
});

test("a holder is who has started it and lives", () => {
  expect(holderOf(claimed(), 0)).toBeUndefined();
  expect(holderOf(started(), 999)).toBe("a");
  expect(holderOf(started(), 1_000)).toBeUndefined();
});

test("who has started an item is known after its end too, and not of one that never started", () => {
  const done = nextOf(finish(started(), a, at(1)));
  expect([holderOf(done, 2), startedBy(done, 2), startedBy(started(), 2)]).toEqual([undefined, "a", "a"]);
  expect(startedBy(nextOf(requestStop(claimed(), at(1))), 2)).toBeUndefined();
  expect(startedBy(nextOf(requestStop(started(), at(1_000))), 1_000)).toBeUndefined();
});
