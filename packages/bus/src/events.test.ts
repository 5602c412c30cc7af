import { event } from "@sallyport/contracts";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { connector, startTestNats, type TestNats } from "./bus.fixture.ts";
import type { Bus } from "./connect.ts";
import { publish, subscribe, subscribeBytes } from "./events.ts";
import type { Closable } from "./serve.ts";

const news = event({
  subject: "news.v1.{zone}.{instance}",
  body: z.object({ text: z.string().max(50) }),
  maxBytes: 80,
  publishedBy: ["connector"],
  heardBy: ["edge"],
});
const raw = event({ subject: "raw.v1.{zone}", maxBytes: 10, publishedBy: ["connector"], heardBy: ["edge"] });

afterAll(leakCheck);
let nats: TestNats;
let speaker: Bus;
let listener: Bus;
const listening: Closable[] = [];
beforeAll(async () => {
  nats = await startTestNats({ jetstream: false });
  [speaker, listener] = await Promise.all([
    nats.join(connector),
    nats.join({ zone: "edge", instance: "e1" }),
  ]);
});
afterEach(async () => {
  await Promise.all(listening.splice(0).map((one) => one.close()));
});
afterAll(() => nats.stop());

const say = (text: string, instance = "c1") =>
  publish(speaker, news, { params: { zone: "connector", instance }, body: { text } });

/** Everything heard up to and with "last". */
async function heardBy(on: { pinned?: Record<string, string> }, speak: () => void): Promise<unknown[]> {
  const heard: { text: string; instance: string }[] = [];
  listening.push(
    subscribe(listener, news, { ...on, news: ({ text }, { instance }) => heard.push({ text, instance }) }),
  );
  await listener.nats.flush();
  speak();
  say("last");
  await until("the last news", () => heard.some(({ text }) => text === "last"), { within: 5_000 });
  return heard.slice(0, -1);
}

describe("news", () => {
  it("reach who listens, with whom they are from", async () => {
    const heard = await heardBy({}, () => {
      say("one");
      say("two", "c2");
    });
    expect(heard).toEqual([
      { text: "one", instance: "c1" },
      { text: "two", instance: "c2" },
    ]);
  });

  it("of others are not heard by who pinned one instance", async () => {
    expect(await heardBy({ pinned: { instance: "c1" } }, () => say("other", "c2"))).toEqual([]);
  });

  it.each([
    ["no JSON", "news.v1.connector.c1", "{"],
    ["another shape", "news.v1.connector.c1", '{"text":1}'],
    ["more bytes than the contract allows", "news.v1.connector.c1", `{"text":"x"}${" ".repeat(80)}`],
    ["an instance that is no name", "news.v1.connector.c$1", '{"text":"x"}'],
  ])("with %s are dropped and logged, and the next are heard", async (_what, subject, bytes) => {
    const before = nats.logged.length;
    expect(await heardBy({}, () => speaker.nats.publish(subject, bytes))).toEqual([]);
    expect(nats.logged.slice(before).join()).toMatch(/^warn /);
  });

  it("do not stop because a listener throws", async () => {
    const heard: string[] = [];
    listening.push(
      subscribe(listener, news, {
        news: ({ text }) => {
          heard.push(text);
          throw new Error("broken listener");
        },
      }),
    );
    await listener.nats.flush();
    say("one");
    say("two");
    await until("both", () => heard.length === 2, { within: 5_000 });
  });

  it("over the contract's size are not sent, and the caller is told", () => {
    expect(publish(speaker, raw, { params: { zone: "connector" }, body: Buffer.alloc(10) })).toBe(true);
    expect(publish(speaker, raw, { params: { zone: "connector" }, body: Buffer.alloc(11) })).toBe(false);
  });

  it("as bytes arrive as they were sent", async () => {
    const heard: string[] = [];
    listening.push(
      subscribeBytes(listener, raw, { news: (bytes) => heard.push(Buffer.from(bytes).toString("hex")) }),
    );
    await listener.nats.flush();
    publish(speaker, raw, { params: { zone: "connector" }, body: Buffer.of(0, 255, 128) });
    await until("them", () => heard.length === 1, { within: 5_000 });
    expect(heard).toEqual(["00ff80"]);
    expect(() => subscribe(listener, raw, { news: () => undefined })).toThrow(/subscribeBytes/);
  });

  it("are heard once by listeners that share them", async () => {
    const heard: string[] = [];
    const second = await nats.join({ zone: "edge", instance: "e2" });
    for (const bus of [listener, second]) {
      listening.push(subscribe(bus, news, { shared: true, news: ({ text }) => heard.push(text) }));
      await bus.nats.flush();
    }
    const all = Array.from({ length: 20 }, (_, n) => String(n));
    for (const text of all) say(text);
    await speaker.nats.flush();
    await Promise.all([listener.nats.flush(), second.nats.flush()]);
    await until("all", () => heard.length >= 20, { within: 5_000 });
    expect(heard.toSorted((a, b) => Number(a) - Number(b))).toEqual(all);
  });
});
