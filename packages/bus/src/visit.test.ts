import { leakCheck, startConnectProxy, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RelayWorld, startRelayWorld } from "./relay/relay.fixture.ts";
import { visitRelay } from "./visit.ts";

afterAll(leakCheck);
let world: RelayWorld;
beforeEach(async () => {
  world = await startRelayWorld();
});
afterEach(() => world.close());

const who = { name: "visitor", inboxPrefix: "_INBOX.visitor" };

describe("a command that visits the relay", () => {
  it("gets there by the road that is open, through a proxy too", async () => {
    const relay = await world.relay();
    const { caFile } = world.authority;
    const proxy = await startConnectProxy({ allow: [relay.wss.slice("wss://".length)] });
    const nats = await visitRelay({
      ...who,
      servers: [relay.tls, relay.wss],
      caFile,
      proxy: { url: proxy.url },
    });
    await nats.flush();
    expect(proxy.open()).toBe(1);
    await nats.close();
    await proxy.stop();
  });

  it("does not come back when it was cut", async () => {
    const relay = await world.relay();
    const nats = await visitRelay({ ...who, servers: [relay.tls], caFile: world.authority.caFile });
    await relay.nats.server.kill();
    await until("it is over", () => nats.isClosed(), { within: 10_000 });
  });

  it("says at once which setting to mend", async () => {
    const relay = await world.relay();
    await expect(visitRelay({ ...who, servers: [relay.tls] })).rejects.toMatchObject({
      code: "denied",
      message: expect.stringContaining("nats.caFile"),
    });
    await relay.nats.server.kill();
    await expect(visitRelay({ ...who, servers: [relay.tls, relay.wss] })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/tls:\/\/localhost.*wss:\/\/localhost/),
    });
  });
});
