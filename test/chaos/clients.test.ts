import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, send, toolCall } from "../e2e/call.fixture.ts";
import { startTunnel } from "../e2e/tunnel.fixture.ts";
import { memoryOf } from "./chaos.fixture.ts";

afterAll(leakCheck);
let stack: Stack;
let reflector: Reflector;
let token: string;
beforeAll(async () => {
  reflector = await startReflector({ token: "reflector-key-1" });
  stack = await startTunnel({ routes: { reflector: { url: reflector.url, secret: "reflector-key-1" } } });
  token = await stack.token("reflector");
});
afterAll(async () => {
  await stack?.stop();
  await reflector?.close();
});

const MiB = 1024 * 1024;
const flood = toolCall("2025-11-25", "flood", { mebibytes: 64 });

describe("a client that goes away", () => {
  it.each([
    ["while events come", "stream", { events: 2000, intervalMs: 10 }],
    ["before there is an answer", "hang", { after: "nothing" }],
    ["in the middle of an answer", "hang", { after: "half" }],
  ])("%s is gone at the upstream within 250 ms", async (_when, name, args) => {
    const before = reflector.seen();
    const gone = new AbortController();
    const call = send(
      stack,
      { server: "reflector", token, signal: gone.signal },
      toolCall("2025-11-25", name, args),
    )
      .then((response) => response.text())
      .catch(() => "gone");
    await until(
      "the call at the upstream",
      () => (reflector.seen().calls[name] ?? 0) > (before.calls[name] ?? 0),
      { within: 5_000 },
    );
    const left = performance.now();
    gone.abort();
    await until("the upstream being let go", () => reflector.seen().aborted > before.aborted, {
      within: 5_000,
      every: 2,
    });
    expect(performance.now() - left).toBeLessThan(250);
    await call;
  });
});

/** A POST on a socket whose answer nobody reads. */
async function startUnread(): Promise<Socket> {
  const url = new URL(stack.endpoint("reflector"));
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, "connect");
  socket.pause();
  const headers = {
    authorization: `Bearer ${token}`,
    accept: "application/json, text/event-stream",
    ...flood.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\n${lines.join("")}` +
      `content-length: ${Buffer.byteLength(flood.body)}\r\n\r\n${flood.body}`,
  );
  return socket;
}

describe("a client that does not read", () => {
  it("holds back the upstream: 64 MiB for it cost edge and connector a few MiB", {
    timeout: 60_000,
  }, async () => {
    // Once all the way, so that neither heap nor buffers have still to grow to what any reply needs.
    expect((await ask(stack, { server: "reflector", token }, flood)).text.length).toBeGreaterThan(64 * MiB);
    const zones = ["edge-edge-1", "connector-connector-1"].map((name) => {
      const pid = stack.zones.get(name)?.pid ?? Number.NaN;
      return { name, pid, before: memoryOf(pid), peak: 0 };
    });
    const socket = await startUnread();
    await until("the flood beginning", () => reflector.seen().open === 1, { within: 5_000 });
    const measureUntil = performance.now() + 3_000;
    await until(
      "three seconds of measuring",
      () => {
        for (const zone of zones) zone.peak = Math.max(zone.peak, memoryOf(zone.pid));
        return performance.now() > measureUntil;
      },
      { within: 10_000 },
    );
    expect(reflector.seen().open).toBe(1); // it waits: it has not been read into somebody's memory
    for (const { name, peak, before } of zones)
      expect([name, (peak - before) / MiB < 12]).toEqual([name, true]);
    // Others are not held back by it.
    expect((await ask(stack, { server: "reflector", token }, toolCall("2025-11-25", "plain"))).status).toBe(
      200,
    );
    socket.destroy();
    await until("the upstream being let go", () => reflector.seen().open === 0, { within: 5_000 });
  });
});
