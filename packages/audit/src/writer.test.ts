import { expect, test } from "vitest";
import type { AuditError } from "./audit-error.ts";
import { parseAuditBatch } from "./reader.ts";
import { decision, lease } from "./record.fixture.ts";
import { type AuditWriterOptions, auditWriter } from "./writer.ts";

/** A stream whose acknowledgements the test gives. */
function stream(options: Partial<AuditWriterOptions> = {}) {
  const messages: { ids: unknown[]; messageId: string; ack: () => void; fail: (error: Error) => void }[] = [];
  const writer = auditWriter({
    publish: (batch, messageId) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const ids = parseAuditBatch(batch).map((record) => ("id" in record ? record.id : record));
      messages.push({ ids, messageId, ack: resolve, fail: reject });
      return promise;
    },
    ...options,
  });
  return { writer, messages };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

async function outcomes(appends: readonly Promise<void>[]): Promise<string[]> {
  const results = await Promise.allSettled(appends);
  return results.map((result) =>
    result.status === "fulfilled" ? "durable" : (result.reason as AuditError).code,
  );
}

test("a record resolves only with the acknowledgement of its message", async () => {
  const { writer, messages } = stream();
  let durable = false;
  const append = writer.append(lease()).then(() => {
    durable = true;
  });
  await settle();
  expect(messages).toHaveLength(1);
  expect(durable).toBe(false);
  messages[0]?.ack();
  await append;
  expect(durable).toBe(true);
});

test("while one acknowledgement is in flight, records queue and ride together in the next message", async () => {
  const { writer, messages } = stream({ maxBatch: 16 });
  const first = decision();
  const appends = [writer.append(first)];
  await settle();
  const others = Array.from({ length: 20 }, () => decision());
  appends.push(...others.map((record) => writer.append(record)));
  await settle();
  expect(messages.map(({ ids }) => ids.length)).toEqual([1]);
  messages[0]?.ack();
  await settle();
  expect(messages.map(({ ids }) => ids.length)).toEqual([1, 16]);
  messages[1]?.ack();
  await settle();
  messages[2]?.ack();
  expect(new Set(await outcomes(appends))).toEqual(new Set(["durable"]));
  expect(messages.flatMap(({ ids }) => ids)).toEqual([first, ...others].map(({ id }) => id));
});

test("every message has an id of its own", async () => {
  const { writer, messages } = stream();
  const one = writer.append(decision());
  await settle();
  messages[0]?.ack();
  const two = writer.append(decision());
  await settle();
  messages[1]?.ack();
  await Promise.all([one, two]);
  expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(2);
});

test("no acknowledgement in time rejects the record, and a late one changes nothing", async () => {
  const { writer, messages } = stream({ ackTimeoutMs: 30 });
  const append = writer.append(decision());
  expect(await outcomes([append])).toEqual(["unavailable"]);
  messages[0]?.ack();
  const next = writer.append(decision());
  await settle();
  messages[1]?.ack();
  expect(await outcomes([next])).toEqual(["durable"]);
});

test("a record that waited behind a silent message is not made to wait a second time", async () => {
  const { writer } = stream({ ackTimeoutMs: 300 });
  const started = performance.now();
  const first = writer.append(decision());
  await settle();
  const second = writer.append(decision());
  expect(await outcomes([first, second])).toEqual(["unavailable", "unavailable"]);
  expect(performance.now() - started).toBeLessThan(550);
});

test("a publish error rejects its records alone; later appends try again", async () => {
  const { writer, messages } = stream();
  const first = writer.append(decision());
  await settle();
  const second = writer.append(decision());
  messages[0]?.fail(new Error("no responders"));
  expect(await outcomes([first])).toEqual(["unavailable"]);
  await settle();
  messages[1]?.ack();
  expect(await outcomes([second])).toEqual(["durable"]);
});

test("a publish that throws at once fails closed too", async () => {
  const writer = auditWriter({
    publish: () => {
      throw new Error("not connected");
    },
  });
  expect(await outcomes([writer.append(decision())])).toEqual(["unavailable"]);
});

test("the queue is bounded: one record more is refused at once", async () => {
  const { writer, messages } = stream({ maxQueued: 3, maxBatch: 2 });
  const appends = Array.from({ length: 4 }, () => writer.append(decision()));
  expect(await outcomes(appends.slice(3))).toEqual(["unavailable"]);
  await settle();
  messages[0]?.ack();
  await settle();
  messages[1]?.ack();
  expect(await outcomes(appends.slice(0, 3))).toEqual(["durable", "durable", "durable"]);
});

test("a record larger than its share of a message is refused", async () => {
  const { writer } = stream();
  const huge = { ...decision(), target: "x".repeat(20_000) };
  expect(await outcomes([writer.append(huge)])).toEqual(["invalid"]);
});

test("close waits for the records taken and takes no more", async () => {
  const { writer, messages } = stream();
  const append = writer.append(decision());
  const closing = writer.close();
  expect(await outcomes([writer.append(decision())])).toEqual(["unavailable"]);
  await settle();
  messages[0]?.ack();
  await closing;
  expect(await outcomes([append])).toEqual(["durable"]);
});
