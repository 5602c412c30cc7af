import { AckPolicy, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { queue } from "@sallyport/contracts";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestNats, type TestNats } from "./bus.fixture.ts";
import type { Bus } from "./connect.ts";
import { countQueue, enqueue, take } from "./queue.ts";

afterAll(leakCheck);
let nats: TestNats;
let edge: Bus;
let runner: Bus;
let made = 0;
beforeAll(async () => {
  nats = await startTestNats();
  edge = await nats.join({ zone: "edge", instance: "e1" });
  runner = await nats.join({ zone: "runner", instance: "r1" });
});
afterAll(() => nats.stop());

/** A queue of its own for one test, with a pool `a`. */
async function newQueue(stream: object = {}) {
  made += 1;
  const contract = queue({
    subject: `jobs${made}.v1.{pool}` as "jobs.v1.{pool}",
    stream: `JOBS${made}`,
    maxBytes: 100,
    maxMessages: 10,
    ttlSeconds: 60,
    ackWaitMs: 300,
    enqueuedBy: ["edge"],
    takenBy: ["runner"],
    countedBy: ["edge"],
  });
  const manager = await jetstreamManager(edge.nats);
  await manager.streams.add({
    name: contract.stream,
    subjects: [`jobs${made}.v1.*`],
    retention: RetentionPolicy.Workqueue,
    ...stream,
  });
  await manager.consumers.add(contract.stream, {
    durable_name: "a",
    filter_subject: `jobs${made}.v1.a`,
    ack_policy: AckPolicy.Explicit,
    ack_wait: contract.ackWaitMs * 1_000_000,
  });
  const put = (text: string, messageId: string = crypto.randomUUID()) =>
    enqueue(edge, contract, {
      params: { pool: "a" },
      bytes: Buffer.from(text),
      messageId,
      timeoutMs: 2_000,
    });
  const next = (waitMs = 1_000) => take(runner, contract, { pool: "a", waitMs });
  const count = () => countQueue(edge, contract, { pool: "a", timeoutMs: 2_000 });
  /** The server counts beside what it answers: what was just put or taken may be counted a moment later. */
  const settles = (expected: Awaited<ReturnType<typeof count>>) =>
    until(
      "the counts",
      async () => {
        expect(await count()).toEqual(expected);
        return true;
      },
      { within: 5_000 },
    );
  return { contract, put, next, count, settles };
}

const textOf = (entry: { bytes: Uint8Array } | undefined) => entry && Buffer.from(entry.bytes).toString();

test("an entry is given to one taker, and is gone when that one is done", async () => {
  const { put, next, settles } = await newQueue();
  await put("one");
  await settles({ queued: 1, taken: 0, takers: 0 });
  const entry = await next();
  expect(textOf(entry)).toBe("one");
  await settles({ queued: 0, taken: 1, takers: 0 });
  entry?.done();
  expect(await next(400)).toBeUndefined();
  await settles({ queued: 0, taken: 0, takers: 0 });
});

test("an entry is given out again when its taker is silent, or hands it back; not while it says that it lives", async () => {
  const { put, next } = await newQueue();
  await put("one");
  expect(textOf(await next())).toBe("one");
  const again = await next(2_000);
  expect(textOf(again)).toBe("one");
  again?.later(0);
  const third = await next();
  expect(textOf(third)).toBe("one");
  const living = setInterval(() => third?.alive(), 50);
  expect(await next(900)).toBeUndefined();
  clearInterval(living);
  third?.done();
});

test("an entry that is enqueued again under its id is there once", async () => {
  const { put, count } = await newQueue();
  await put("one", "id");
  await put("one", "id");
  expect((await count()).queued).toBe(1);
});

test("a full queue is exhausted, a missing one unavailable", async () => {
  const { put } = await newQueue({ max_msgs: 1, discard: "new" });
  await put("one");
  await expect(put("two")).rejects.toMatchObject({ code: "exhausted" });
  const { contract } = await newQueue();
  const missing = { ...contract, stream: "NOWHERE" };
  const entry = { params: { pool: "a" }, bytes: Buffer.from("x"), messageId: "x", timeoutMs: 1_000 };
  await expect(enqueue(edge, missing, entry)).rejects.toMatchObject({ code: "unavailable" });
  await expect(take(runner, missing, { pool: "a", waitMs: 200 })).rejects.toMatchObject({
    code: "unavailable",
  });
  await expect(countQueue(edge, contract, { pool: "b", timeoutMs: 2_000 })).rejects.toMatchObject({
    code: "unavailable",
  });
});

test("a delivery that is no queue entry is not taken for one", async () => {
  const { contract } = await newQueue();
  const pulled = edge.nats.subscribe("$JS.API.CONSUMER.MSG.NEXT.LIE.a", {
    callback: (_error, message) => void message.respond("forged"),
  });
  const lie = take(runner, { ...contract, stream: "LIE" }, { pool: "a", waitMs: 200 });
  await expect(lie).rejects.toMatchObject({ code: "unavailable" });
  pulled.unsubscribe();
});
