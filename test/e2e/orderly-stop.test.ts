import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { type Reflector, type Running, startEverythingV1, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { type Exit, leakCheck, type Server, startServer, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, send, textOf, toolCall } from "./call.fixture.ts";
import { connectV1 } from "./clients.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "reflector-secret-0b7e";

let stack: Stack;
let reflector: Reflector;
let v1: Running;
let token: string;

beforeAll(async () => {
  reflector = await startReflector({ token: secret });
  v1 = await startEverythingV1({ token: secret });
  stack = await startTunnel({
    routes: { reflector: { url: reflector.url, secret }, v1: { url: v1.url, secret } },
    more: { connectors: ["connector-1", "connector-2"], drain: "8s" },
  });
  token = await stack.token("reflector");
});
afterAll(async () => {
  await stack?.stop();
  await reflector?.close();
  await v1?.close();
});

const to = () => ({ server: "reflector", token });
const quick = toolCall("2025-11-25", "plain", { text: "here" });
/** A call that takes about three seconds, and one that nobody waits out. */
const slow = toolCall("2025-11-25", "stream", { events: 30, intervalMs: 100 });
const endless = toolCall("2025-11-25", "stream", { events: 10_000, intervalMs: 100 });

interface OwnProcess {
  server: Server;
  exited: Promise<Exit>;
  /** A signal of ours, so that its end is told. */
  signal(): void;
}

/** The zone as a process whose exit code is told. */
async function ownProcess(zone: string): Promise<OwnProcess> {
  const running = stack.zones.get(zone);
  if (running === undefined) throw new Error(`there is no ${zone}`);
  await running.stop();
  const exited = Promise.withResolvers<Exit>();
  const server = await startServer({
    name: zone,
    command: process.execPath,
    args: [
      "--disable-warning=ExperimentalWarning",
      `${import.meta.dirname}/../../apps/${running.zone}/main.ts`,
      "--config",
      running.configFile,
    ],
    folder: running.folder,
    temporary: false,
    readyWithin: 30_000,
    ready: async () => ((await running.readiness()).ready ? true : undefined),
    onExit: exited.resolve,
  });
  return { server, exited: exited.promise, signal: () => void process.kill(server.pid, "SIGTERM") };
}

/** Slow calls that have begun, as many as there are connectors: each connector has one. */
async function slowCalls(call = slow): Promise<Response[]> {
  return [await send(stack, to(), call), await send(stack, to(), call)];
}

describe("a connector that is told to stop", () => {
  it("finishes the call it has, while new calls go to another, and ends with code 0", async () => {
    const one = await ownProcess("connector-connector-2");
    try {
      const calls = await slowCalls();
      one.signal();
      let over = false;
      const whole = Promise.all(calls.map((call) => call.text())).finally(() => {
        over = true;
      });
      let refused = 0;
      for (let served = 0; served < 20 && !over; ) {
        const reply = await ask(stack, to(), quick);
        if (textOf(reply) === "here") served += 1;
        else {
          // It met the connector before the edge had heard: refused, and nothing was sent.
          expect(reply.message.error?.data?.sallyport).toMatchObject({
            code: "unavailable",
            retryable: true,
          });
          refused += 1;
          served = 0;
        }
      }
      // The news does not wait for the next second, and the others are served while the slow calls still run.
      expect(refused).toBeLessThan(10);
      expect(over).toBe(false);
      for (const text of await whole) expect(text).toContain("30 events sent");
      expect(await one.exited).toEqual({ code: 0, signal: null });
    } finally {
      await one.server.stop();
      await stack.zones.get("connector-connector-2")?.restart();
    }
  });

  it("takes the agent's answer that a call in progress waits for", async () => {
    const one = await ownProcess("connector-connector-2");
    const { client, transport } = await until(
      "a session at it",
      async () => {
        const session = await connectV1(stack, { server: "v1", token: await stack.token("v1") });
        if (session.transport.sessionId?.startsWith("connector-2.")) return session;
        await session.client.close();
        return undefined;
      },
      { within: 10_000 },
    );
    try {
      client.setRequestHandler(ElicitRequestSchema, async () => {
        one.signal();
        await until("it draining", async () => !(await ready("connector-connector-2")), { within: 5_000 });
        return { action: "decline" };
      });
      const elicited = await client.callTool({ name: "test_elicitation", arguments: { message: "?" } });
      expect(JSON.stringify(elicited.content)).toContain("action=decline");
      expect(await one.exited).toEqual({ code: 0, signal: null });
    } finally {
      await client.close();
      await transport.close();
      await one.server.stop();
      await stack.zones.get("connector-connector-2")?.restart();
    }
  });

  it("ends at once at a second signal", async () => {
    const one = await ownProcess("connector-connector-2");
    try {
      const calls = await slowCalls(endless);
      const since = performance.now();
      one.signal();
      await until("it draining", async () => !(await ready("connector-connector-2")), { within: 5_000 });
      one.signal();
      expect(await one.exited).toEqual({ code: 130, signal: null });
      expect(performance.now() - since).toBeLessThan(6_000);
      for (const call of calls) await call.body?.cancel();
    } finally {
      await one.server.stop();
      await stack.zones.get("connector-connector-2")?.restart();
    }
  });
});

describe("an edge that is told to stop", () => {
  it("finishes the calls it has, takes no new connection, and ends with code 0", async () => {
    const edge = await ownProcess("edge-edge-1");
    try {
      const calls = await slowCalls();
      edge.signal();
      await until(
        "it taking no connection",
        () =>
          fetch(stack.edgeUrl).then(
            () => false,
            () => true,
          ),
        { within: 5_000 },
      );
      for (const call of calls) expect(await call.text()).toContain("30 events sent");
      expect(await edge.exited).toEqual({ code: 0, signal: null });
    } finally {
      await edge.server.stop();
      await stack.zones.get("edge-edge-1")?.restart();
    }
  });
});

async function ready(zone: string): Promise<boolean> {
  return (await stack.zones.get(zone)?.readiness())?.ready ?? false;
}
