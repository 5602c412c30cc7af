import { until } from "@sallyport/testkit";
import { afterEach, expect, test } from "vitest";
import { startWorld, textOf, type World, type WorldOptions } from "./environment.fixture.ts";

const within = 15_000;
const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function start(options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(options);
  worlds.push(world);
  return world;
}

const beats = ({ api }: World) =>
  api.requests
    .filter(({ operation }) => operation === "heartbeat")
    .map(({ query }) => new URLSearchParams(query).get("expected_last_heartbeat"));

test("each beat names the one before it, and the first comes before anything else", async () => {
  const world = await start({ ttlMs: 2_000 });
  const { session } = world.api.addSession();
  await world.serve();
  await until("three beats", () => beats(world).length >= 3, { within });
  const [first, second, third] = beats(world);
  expect(first).toBe("NO_HEARTBEAT");
  expect(new Set([first, second, third]).size).toBe(3);
  const order = world.api.requests.map(({ operation }) => operation).filter((one) => one !== "poll");
  expect(order.slice(0, 4)).toEqual(["ack", "heartbeat", "session", "stream"]);
  expect(session.streams).toBe(1);
  expect(world.api.violations).toEqual([]);
});

test("a beat whose answer was lost is sent again with the same value, and the session goes on", async () => {
  const world = await start({ ttlMs: 2_000 });
  const { session, item } = world.api.addSession();
  world.api.fail("heartbeat", "lose");
  await world.serve();
  const call = session.toolUse("bash", { command: "echo on" });
  expect(textOf(await until("a result", () => session.answerOf(call), { within }))).toContain("on");
  expect(beats(world).slice(0, 2)).toEqual(["NO_HEARTBEAT", "NO_HEARTBEAT"]);
  expect(item.claims).toBe(1);
});

test("a strict server requeues the item, and it is served from the beginning", async () => {
  const world = await start({ ttlMs: 2_000, strictBeats: true, reclaimMs: 200 });
  const { session, item } = world.api.addSession();
  world.api.fail("heartbeat", "lose");
  await world.serve();
  const call = session.toolUse("bash", { command: "echo on" });
  await until("a result", () => session.answerOf(call), { within });
  expect([item.claims, item.lost]).toEqual([2, 1]);
  const stops = world.api.requests.filter(({ operation }) => operation === "stop");
  expect(stops).toEqual([]);
  expect(world.api.violations).toEqual([]);
}, 40_000);

test("a lost lease ends what runs, and neither a result nor a stop is sent", async () => {
  const world = await start({ ttlMs: 2_000, reclaimMs: 60_000 });
  const { session } = world.api.addSession();
  await world.serve();
  session.toolUse("bash", { command: "sleep 60; echo late" });
  await until("a sandbox", () => world.sandboxes.length === 1, { within });
  world.api.fail("heartbeat", 412);
  await until("its end", () => world.sandboxes[0]?.closed, { within });
  await until("the next poll", () => world.api.requests.at(-1)?.operation === "poll", { within });
  const after = world.api.requests.map(({ operation }) => operation);
  expect([after.includes("result"), after.includes("stop")]).toEqual([false, false]);
});

test("no beat within one TTL is a lost lease: nothing runs for which there may be another holder", async () => {
  const world = await start({ ttlMs: 2_000 });
  const { session } = world.api.addSession();
  await world.serve();
  session.toolUse("bash", { command: "sleep 60" });
  await until("a sandbox", () => world.sandboxes.length === 1, { within });
  const before = performance.now();
  world.api.fail("heartbeat", ...Array.from({ length: 12 }, () => 503));
  await until("its end", () => world.sandboxes[0]?.closed, { within });
  expect(performance.now() - before).toBeLessThan(5_000);
  expect(world.api.requests.map(({ operation }) => operation)).not.toContain("stop");
});

test("an item that is to be stopped is: what runs is ended, and the stop is said", async () => {
  const world = await start({ ttlMs: 2_000 });
  const { session, item } = world.api.addSession();
  await world.serve();
  session.toolUse("bash", { command: "sleep 60" });
  await until("a sandbox", () => world.sandboxes.length === 1, { within });
  world.api.requestStop(item);
  await until("the stop", () => item.state === "stopped", { within });
  expect(world.sandboxes[0]?.closed).toBe(true);
  expect(world.api.requests.map(({ operation }) => operation)).not.toContain("result");
});

test("beats that are refused for good end the session, and the stop is tried", async () => {
  const world = await start({ ttlMs: 2_000 });
  const { item } = world.api.addSession();
  world.api.fail("heartbeat", 403);
  await world.serve();
  await until("the stop", () => item.state === "stopped", { within });
  expect(world.api.requests.map(({ operation }) => operation)).not.toContain("session");
});

test("a stop that was already made is no failure", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  world.api.fail("stop", "lose");
  await world.serve();
  session.idle();
  await until("two stops", () => item.state === "stopped", { within });
  await until("no session", () => world.logged.length > 0, { within });
  expect(world.logged.filter((line) => line.includes("could not be ended"))).toEqual([]);
});
