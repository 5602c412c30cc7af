import { type Reflector, type Running, startEverythingV1, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { ask, send, textOf, toolCall } from "./call.fixture.ts";
import { connectV1 } from "./clients.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "everything-secret-4f0c";

let stack: Stack;
let v1: Running;
let reflector: Reflector;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  v1 = await startEverythingV1({ token: secret });
  reflector = await startReflector({ token: secret });
  stack = await startTunnel({
    routes: { v1: { url: v1.url, secret }, reflector: { url: reflector.url, secret } },
    more: { connectors: ["connector-1", "connector-2"] },
  });
  for (const server of ["v1", "reflector"]) tokens[server] = await stack.token(server);
});
beforeEach(async () => {
  // Another test may have ended one of them just now.
  const found = new Set<string>();
  await until(
    "a session on each connector",
    async () => {
      const { client, connector } = await newSession();
      await client.close();
      return found.add(connector).size === 2;
    },
    { within: 20_000 },
  );
});
afterAll(async () => {
  await stack?.stop();
  await v1?.close();
  await reflector?.close();
});

const to = (server: string) => ({ server, token: tokens[server] ?? "" });
const quick = toolCall("2025-11-25", "plain", { text: "here" });

/** Which connector a new session lands on. */
async function newSession() {
  const { client, transport } = await connectV1(stack, to("v1"));
  return { client, connector: transport.sessionId?.split(".")[0] ?? "" };
}

it("spreads calls over the connectors that offer a server, keeps a session where it is, and survives one's death", async () => {
  // Each connector holds one open call: the next goes to the other one.
  const gone = new AbortController();
  const endless = toolCall("2025-11-25", "stream", { events: 10_000, intervalMs: 100 });
  for (const _ of [1, 2]) await send(stack, { ...to("reflector"), signal: gone.signal }, endless);
  const sessions = await Promise.all(Array.from({ length: 8 }, newSession));
  const of = (connector: string) => sessions.filter((one) => one.connector === connector);
  expect(of("connector-1").length + of("connector-2").length).toBe(8);
  expect(of("connector-1").length).toBeGreaterThanOrEqual(2);
  expect(of("connector-2").length).toBeGreaterThanOrEqual(2);

  const echo = (text: string) => ({ name: "test_echo", arguments: { text } });
  for (const { client } of sessions) {
    for (const text of ["one", "two"]) {
      expect((await client.callTool(echo(text))).structuredContent).toEqual({ text });
    }
  }

  const killedAt = performance.now();
  await stack.zones.get("connector-connector-2")?.kill();
  await until(
    "calls passing again",
    async () => {
      // Until the dead one has gone quiet every other call goes to it, and fails.
      for (let n = 0; n < 4; n += 1) {
        if (textOf(await ask(stack, to("reflector"), quick)) !== "here") return false;
      }
      return true;
    },
    {
      within: 10_000,
    },
  );
  for (let n = 0; n < 10; n += 1) {
    expect(textOf(await ask(stack, to("reflector"), quick))).toBe("here");
  }
  for (const { client } of of("connector-1")) {
    expect((await client.callTool(echo("still here"))).structuredContent).toEqual({ text: "still here" });
  }
  // Its sessions are told to start anew (404), and a client that does is served by the other.
  for (const { client } of of("connector-2")) await expect(client.callTool(echo("lost"))).rejects.toThrow();
  expect((await newSession()).connector).toBe("connector-1");
  console.log(
    `one connector of two killed: all served again after ${Math.round(performance.now() - killedAt)} ms`,
  );

  gone.abort();
  for (const { client } of sessions) await client.close();
  await stack.zones.get("connector-connector-2")?.restart();
  await until(
    "the connector being back",
    async () => {
      const { client, connector } = await newSession();
      await client.close();
      return connector === "connector-2";
    },
    { within: 15_000 },
  );
});

it("ends the open streams of a dead connector within seconds, under the ids of their calls", async () => {
  const reads: Promise<string>[] = [];
  for (let n = 0; n < 6; n += 1) {
    const call = toolCall("2025-11-25", "stream", { events: 1000, intervalMs: 50 });
    reads.push((await send(stack, to("reflector"), call)).text());
  }
  const killedAt = performance.now();
  await stack.zones.get("connector-connector-1")?.kill();
  const ended = await Promise.any(reads);
  expect(performance.now() - killedAt).toBeLessThan(5_000);
  const event = JSON.parse(ended.slice(ended.lastIndexOf("data: ") + 6)) as object;
  expect(event).toMatchObject({
    id: 1,
    error: { code: -31503, data: { sallyport: { source: "relay", retryable: false } } },
  });
  await stack.zones.get("connector-connector-1")?.restart();
  await stack.zones.get("connector-connector-2")?.kill("SIGTERM");
  const texts = await Promise.all(reads);
  for (const text of texts) expect(text).toContain('"error"');
  await stack.zones.get("connector-connector-2")?.restart();
});
