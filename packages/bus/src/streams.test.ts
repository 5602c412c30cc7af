import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { bucket, log } from "@sallyport/contracts";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { append } from "./append.ts";
import { type Entry, openBucket } from "./bucket.ts";
import { connector, startTestNats, type TestNats } from "./bus.fixture.ts";
import type { Bus } from "./connect.ts";
import { readLog } from "./read-log.ts";

afterAll(leakCheck);
let nats: TestNats;
let bus: Bus;
let made = 0;
beforeAll(async () => {
  nats = await startTestNats();
  bus = await nats.join(connector);
});
afterAll(() => nats.stop());

/** A log contract of its own for one test, with or without its stream. */
async function newLog(options: { stream?: object | false; name?: string } = {}) {
  made += 1;
  const name = `LOG${made}`;
  const contract = log({
    subject: `log${made}.v1.{instance}` as "log.v1.{instance}",
    stream: name,
    maxBytes: 1000,
    appendedBy: ["connector"],
    readBy: ["collector"],
  });
  if (options.stream !== false) {
    const manager = await jetstreamManager(bus.nats);
    await manager.streams.add({
      name: options.name ?? name,
      subjects: [`log${made}.v1.*`],
      ...options.stream,
    });
  }
  const add = (text: string, messageId: string = crypto.randomUUID(), timeoutMs = 2_000) =>
    append(bus, contract, { params: { instance: "c1" }, bytes: Buffer.from(text), messageId, timeoutMs });
  const read = async (more: { since?: Date } = {}) => {
    const texts: string[] = [];
    const { signal } = new AbortController();
    for await (const { bytes } of readLog(bus, contract, { follow: false, signal, ...more }))
      texts.push(Buffer.from(bytes).toString());
    return texts;
  };
  return { contract, add, read };
}

describe("an append", () => {
  it("resolves when the record is stored", async () => {
    const { add, read } = await newLog();
    await add("one");
    await add("two");
    expect(await read()).toEqual(["one", "two"]);
  });

  it("is unavailable where there is no stream", async () => {
    const { add } = await newLog({ stream: false });
    await expect(add("x")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("is unavailable when the stream is full", async () => {
    const { add, read } = await newLog({ stream: { max_msgs: 1, discard: "new" } });
    await add("one");
    await expect(add("two")).rejects.toMatchObject({ code: "unavailable" });
    expect(await read()).toEqual(["one"]);
  });

  it("is not believed when another stream says that it has it", async () => {
    const { add } = await newLog({ name: `OTHER${made}` });
    await expect(add("x")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("is not believed when somebody answers who is no stream", async () => {
    const { add, contract } = await newLog({ stream: false });
    for (const answer of [
      "",
      "{}",
      '{"stream":"x"}',
      `{"stream":"${contract.stream}"}`,
      "not JSON",
      `{"error":{},"stream":"${contract.stream}","seq":1}`,
    ]) {
      const liar = bus.nats.subscribe(contract.subject.filterFor({}), {
        callback: (_error, message) => void message.respond(answer),
      });
      await expect(add("x")).rejects.toMatchObject({ code: "unavailable" });
      liar.unsubscribe();
    }
  });

  it("is refused under an id that was used before: else a record would vanish with an acknowledgement", async () => {
    const { add, read } = await newLog();
    await add("one", "same");
    await expect(add("two", "same")).rejects.toMatchObject({ code: "unavailable" });
    expect(await read()).toEqual(["one"]);
  });

  it("over the contract's size is refused before it leaves", async () => {
    const { add, read } = await newLog();
    await add("x".repeat(1000));
    await expect(add("x".repeat(1001))).rejects.toMatchObject({ code: "invalid" });
    expect(await read()).toHaveLength(1);
  });
});

describe("reading a log", () => {
  it("ends at what was newest when it began, and an empty one at once", async () => {
    const { add, read } = await newLog();
    expect(await read()).toEqual([]);
    for (let n = 0; n < 300; n += 1) await add(String(n));
    expect(await read()).toEqual(Array.from({ length: 300 }, (_, n) => String(n)));
  });

  it("can begin at a time", async () => {
    const { add, read } = await newLog();
    await add("before");
    const stored = Date.now();
    // In its first millisecond the server's clock cannot be told from ours.
    await until("the clock", () => Date.now() > stored + 1, { within: 1_000 });
    const since = new Date();
    await add("after");
    expect(await read({ since })).toEqual(["after"]);
  });

  it("follows what is appended later, until its signal", async () => {
    const { add, contract } = await newLog();
    await add("one");
    const stop = new AbortController();
    const texts: string[] = [];
    const following = (async () => {
      for await (const { bytes, subject } of readLog(bus, contract, { follow: true, signal: stop.signal }))
        texts.push(`${subject} ${Buffer.from(bytes).toString()}`);
    })();
    await until("the first", () => texts.length === 1, { within: 5_000 });
    await add("two");
    await until("the second", () => texts.length === 2, { within: 5_000 });
    stop.abort();
    await following;
    expect(texts.map((text) => text.replace(/^log\d+\./, ""))).toEqual(["v1.c1 one", "v1.c1 two"]);
  });

  it("of a stream that is not there throws unavailable", async () => {
    const { read } = await newLog({ stream: false });
    await expect(read()).rejects.toMatchObject({ name: "ServiceError" });
  });
});

/** A bucket of its own for one test. */
async function newBucket() {
  made += 1;
  const name = `bucket${made}`;
  const raw = await new Kvm(bus.nats).create(name, { markerTTL: 60_000 });
  const contract = bucket({
    name,
    value: z.object({ n: z.number() }),
    writtenBy: ["operator"],
    readBy: ["connector"],
    ttlSeconds: 0,
  });
  return { raw, contract, kept: await openBucket(bus, contract) };
}

describe("a bucket", () => {
  it("keeps what was put, until it is deleted", async () => {
    const { kept } = await newBucket();
    expect(await kept.get("a")).toBeUndefined();
    const revision = await kept.put("a", { n: 1 });
    await kept.put("b", { n: 2 });
    expect(await kept.get("a")).toEqual({ key: "a", value: { n: 1 }, revision });
    expect((await kept.entries()).map(({ key }) => key).sort()).toEqual(["a", "b"]);
    await kept.delete("a");
    expect(await kept.get("a")).toBeUndefined();
    expect((await kept.entries()).map(({ key }) => key)).toEqual(["b"]);
  });

  it("lets one of two writers win, and tells the other that there was a conflict", async () => {
    const { kept } = await newBucket();
    const revision = await kept.put("a", { n: 0 });
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((n) => kept.put("a", { n }, { expect: revision })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "conflict" });
    }
  });

  it("creates what must not be there only when it is not there, or was deleted", async () => {
    const { kept } = await newBucket();
    await kept.put("a", { n: 1 }, { expect: 0 });
    await expect(kept.put("a", { n: 2 }, { expect: 0 })).rejects.toMatchObject({ code: "conflict" });
    await kept.delete("a");
    await kept.put("a", { n: 3 }, { expect: 0 });
    expect((await kept.get("a"))?.value).toEqual({ n: 3 });
  });

  it("gives no value that does not fit its contract", async () => {
    const { kept, raw } = await newBucket();
    for (const bad of ["{", '{"n":"1"}', `{"n":1}${" ".repeat(70_000)}`]) {
      await raw.put("a", bad);
      await expect(kept.get("a")).rejects.toMatchObject({ code: "invalid" });
    }
  });

  it("that nobody made cannot be opened", async () => {
    const { contract } = await newBucket();
    await expect(
      openBucket(bus, { ...contract, name: "nowhere" }).then((one) => one.get("a")),
    ).rejects.toMatchObject({
      name: "ServiceError",
    });
  });
});

describe("a watch", () => {
  it("has told everything that is there when it begins, and then each change", async () => {
    const { kept } = await newBucket();
    await kept.put("a", { n: 1 });
    await kept.put("b", { n: 2 });
    await kept.put("a", { n: 3 });
    await kept.put("gone", { n: 4 });
    await kept.delete("gone");
    const told = new Map<string, Entry<{ n: number }> | undefined>();
    const watching = await kept.watch((key, entry) => told.set(key, entry));
    expect([told.get("a")?.value, told.get("b")?.value, told.get("gone")]).toEqual([
      { n: 3 },
      { n: 2 },
      undefined,
    ]);
    await kept.put("c", { n: 5 });
    await kept.delete("b");
    await until("both changes", () => told.get("c") !== undefined && told.get("b") === undefined, {
      within: 5_000,
    });
    await watching.close();
  });

  it("of an empty bucket begins at once", async () => {
    const { kept } = await newBucket();
    await (await kept.watch(() => undefined)).close();
  });

  it("passes over an entry that does not fit, says so, and goes on", async () => {
    const { kept, raw } = await newBucket();
    await raw.put("bad", "{");
    const told: string[] = [];
    const watching = await kept.watch((key) => told.push(key));
    await kept.put("good", { n: 1 });
    await until("the good one", () => told.includes("good"), { within: 5_000 });
    expect(told).toEqual(["good"]);
    expect(nats.logged.join()).toMatch(/does not fit its contract/);
    await watching.close();
  });
});

describe("when NATS is away", () => {
  it("every road says unavailable in its time, and all come back with it", { timeout: 60_000 }, async () => {
    const own = await startTestNats();
    const outer = bus;
    try {
      bus = await own.join(connector);
      const { add, read } = await newLog();
      const { kept } = await newBucket();
      const told: string[] = [];
      const watching = await kept.watch((key) => told.push(key));
      await add("before");
      await own.server.kill();
      await until("the bus noticing", () => !bus.connected(), { within: 5_000 });
      const asked = performance.now();
      await expect(add("lost", "id", 500)).rejects.toMatchObject({ code: "unavailable" });
      expect(performance.now() - asked).toBeLessThan(1_000);
      await own.server.restart();
      await until("the bus coming back", () => bus.connected(), { within: 10_000 });
      await until("an append", () => add("after").then(() => true), { within: 10_000 });
      expect(await read()).toEqual(["before", "after"]);
      await until("a write", () => kept.put("later", { n: 1 }).then(() => true), { within: 10_000 });
      await until("the watch telling it", () => told.includes("later"), { within: 20_000 });
      await watching.close();
    } finally {
      bus = outer;
      await own.stop();
    }
  });
});
