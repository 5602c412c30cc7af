import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTunnel } from "../e2e/tunnel.fixture.ts";
import { TakenEdge } from "./taken-zone.fixture.ts";

// The attacker has the edge's signing key, and a session that it opened with it. The operator puts another key in its place
// where the connector and the broker look; neither is started anew.
afterAll(leakCheck);
let stack: Stack;
let orders: Reflector;
let edge: TakenEdge;

beforeAll(async () => {
  orders = await startReflector({ token: "orders-key-1" });
  stack = await startTunnel({ routes: { orders: { url: orders.url, secret: "orders-key-1" } } });
  await stack.zones.get("edge-edge-1")?.kill();
  edge = await TakenEdge.of(stack);
});
afterAll(async () => {
  await edge?.close();
  await stack?.stop();
  await orders?.close();
});

const soon = { within: 15_000 };
const pemOf = (key: KeyObject) => key.export({ format: "pem", type: "spki" }).toString();

it("a key that an edge has put away opens no session, no grant, and ends the session that it had opened", async () => {
  const file = stack.material.path("edges/edge-1.pub.pem");
  const put = (text: string) => {
    writeFileSync(`${file}.draft`, text, { mode: 0o600 });
    renameSync(`${file}.draft`, file);
  };
  const old = readFileSync(file, "utf8");
  const next = generateKeyPairSync("ed25519");
  const token = await stack.token("orders");
  const session = await edge.open("connector-1");
  const use = async (handle: number, on = session, key = edge.key) => {
    on.show(handle, { grant: await edge.grant(token, { session: on.id }, {}, key), token });
    return await on.call(handle, "orders");
  };
  expect(await use(1), "it works before, so what follows is not for nothing").toMatchObject({ status: 200 });

  // While it changes, both keys count: for the session that is open, and for grants on it.
  put(pemOf(next.publicKey) + old);
  await until(
    "a grant of the new key is taken",
    async () => "status" in (await use(2, session, next.privateKey)),
    soon,
  );
  expect(await use(3)).toMatchObject({ status: 200 });

  put(pemOf(next.publicKey));
  // Not for want of a new grant: what had one could go on for minutes.
  await until("the session has ended", async () => session.link.error !== undefined, soon);
  const before = orders.seen().requests;
  const refused = () => readFileSync(stack.zones.get("connector-connector-1")?.logFile ?? "", "utf8");
  const since = refused().length;
  void edge.open("connector-1").catch(() => undefined);
  await until("its hello is refused", () => refused().slice(since).includes("bad-signature"), soon);
  expect(orders.seen().requests).toBe(before);
}, 90_000);
