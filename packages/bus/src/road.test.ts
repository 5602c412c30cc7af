import { stream } from "@sallyport/contracts";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connector, startTestNats, type TestNats } from "./bus.fixture.ts";
import { openRoad } from "./road.ts";

const contract = stream({
  up: "road.v1.up.{connector}.{edge}",
  down: "road.v1.down.{edge}.{connector}",
  caller: "edge",
  server: "connector",
  maxBytes: 1000,
});

afterAll(leakCheck);
let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats({ jetstream: false });
});
afterAll(() => nats.stop());

async function end(who: { zone: "edge" | "connector"; instance: string }) {
  const bus = await nats.join(who);
  const heard: string[] = [];
  const road = openRoad(bus, contract, {
    message: (peer, bytes) => heard.push(`${peer}: ${Buffer.from(bytes).toString().slice(0, 20)}`),
  });
  await bus.nats.flush();
  return { bus, road, heard };
}

describe("a road", () => {
  it("brings bytes to the named peer only, and tells whom they are from", async () => {
    const edge = await end({ zone: "edge", instance: "e1" });
    const one = await end({ zone: "connector", instance: "a1" });
    const two = await end({ zone: "connector", instance: "a2" });
    expect(edge.road.send("a1", Buffer.from("to one"))).toBe(true);
    edge.road.send("a2", Buffer.from("to two"));
    await until("both", () => one.heard.length + two.heard.length === 2, { within: 5_000 });
    expect([one.heard, two.heard]).toEqual([["e1: to one"], ["e1: to two"]]);
    one.road.send("e1", Buffer.from("back"));
    await until("the answer", () => edge.heard.length === 1, { within: 5_000 });
    expect(edge.heard).toEqual(["a1: back"]);
    for (const { road } of [edge, one, two]) await road.close();
  });

  it("drops what is empty or over its size", async () => {
    const { bus, road, heard } = await end({ zone: "connector", instance: "b1" });
    const subject = "road.v1.up.b1.e9";
    for (const size of [0, 1001]) bus.nats.publish(subject, Buffer.alloc(size));
    bus.nats.publish(subject, Buffer.from("last"));
    await until("the last", () => heard.length > 0, { within: 5_000 });
    expect(heard).toEqual(["e9: last"]);
    await road.close();
  });

  it("says at once that NATS is away", async () => {
    const own = await startTestNats({ jetstream: false });
    const bus = await own.join(connector);
    const road = openRoad(bus, contract, { message: () => undefined });
    await own.server.kill();
    await until("the bus noticing", () => !bus.connected(), { within: 5_000 });
    expect(road.send("e1", Buffer.from("x"))).toBe(false);
    await own.stop();
  });

  it("is not open to a zone that has no part in it, nor to a peer that is no name", async () => {
    const broker = await nats.join({ zone: "broker", instance: "b1" });
    expect(() => openRoad(broker, contract, { message: () => undefined })).toThrow(/no part/);
    const { road } = await end({ zone: "edge", instance: "e7" });
    for (const peer of ["*", ">", "a.b", "", "a\r\nSUB > 1"])
      expect(() => road.send(peer, Buffer.from("x"))).toThrow();
    await road.close();
  });
});
