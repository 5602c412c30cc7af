import { createHash } from "node:crypto";
import { type Bucket, openBucket, readLog } from "@sallyport/bus";
import { auditLog, revocations } from "@sallyport/contracts";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import { tokenHash } from "@sallyport/grant";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, send, toolCall } from "../e2e/call.fixture.ts";
import { startTunnel } from "../e2e/tunnel.fixture.ts";
import { joinAs } from "./taken-zone.fixture.ts";

afterAll(leakCheck);
let stack: Stack;
let reflector: Reflector;
let operator: Awaited<ReturnType<typeof joinAs>>;
let collector: Awaited<ReturnType<typeof joinAs>>;
let bucket: Bucket<Entry>;
type Entry = Parameters<Bucket<(typeof revocations.value)["_output"]>["put"]>[1];

beforeAll(async () => {
  reflector = await startReflector({ token: "orders-key-1" });
  stack = await startTunnel({ routes: { orders: { url: reflector.url, secret: "orders-key-1" } } });
  operator = await joinAs(stack, { zone: "operator", instance: "local" });
  collector = await joinAs(stack, { zone: "collector", instance: "collector-1" });
  bucket = await openBucket(operator.bus, revocations);
});
afterAll(async () => {
  await operator?.bus.close();
  await collector?.bus.close();
  await stack?.stop();
  await reflector?.close();
});

/** Revokes for some seconds: long enough to see it, short enough not to meet the next test. */
async function revoke(kind: Entry["kind"], value: string, seconds = 60): Promise<void> {
  const key = `${kind}-${createHash("sha256").update(value).digest("base64url")}`;
  await bucket.put(key, { kind, value, until: new Date(Date.now() + seconds * 1000).toISOString() });
}

interface Stream {
  /** Whole events so far. */
  events(): number;
  text(): string;
  /** When it ended, and how. */
  over: Promise<{ at: number; cut: boolean }>;
}

/** An event stream that runs for half a minute, of which two events have come. */
async function startStream(token: string): Promise<Stream> {
  const call = toolCall("2025-11-25", "stream", { events: 1500, intervalMs: 20 });
  const response = await send(stack, { server: "orders", token }, call);
  expect(response.status).toBe(200);
  let text = "";
  const over = (async () => {
    try {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
      return { at: Date.now(), cut: false };
    } catch {
      return { at: Date.now(), cut: true };
    }
  })();
  const events = () => text.split("\n\n").length - 1;
  await until("two events", () => events() >= 2, { within: 5_000 });
  return { events, text: () => text, over };
}

const status = async (token: string) =>
  (await ask(stack, { server: "orders", token }, toolCall("2025-11-25", "plain"))).status;

/** The stream ends within a second of `revoking`, with an error and not with the tool's result, and the upstream is let go. */
async function endsBy(stream: Stream, revoking: () => Promise<void>): Promise<void> {
  const asked = Date.now();
  await revoking();
  const { at } = await stream.over;
  expect(at - asked).toBeLessThan(1_000);
  expect(stream.text()).not.toContain("events sent");
  // Told under the call's own id, in the words of the agent's wire.
  const last = stream.text().split("data: ").at(-1) ?? "";
  expect(JSON.parse(last)).toMatchObject({ jsonrpc: "2.0", id: 1, error: { code: -31503 } });
  expect(stream.events()).toBeLessThan(1_000);
}

describe("a revocation", () => {
  it("of a token ends its stream promptly and answers its next call with 401; other tokens go on", async () => {
    const [token, other] = [await stack.token("orders"), await stack.token("orders")];
    const [stream, others] = [await startStream(token), await startStream(other)];
    const aborted = reflector.seen().aborted;
    await endsBy(stream, () => revoke("token", tokenHash(token)));
    await until("the upstream being let go", () => reflector.seen().aborted > aborted, { within: 2_000 });
    const requests = reflector.seen().requests;
    expect(await status(token)).toBe(401);
    expect(reflector.seen().requests).toBe(requests);
    const heard = others.events();
    await until("the other stream going on", () => others.events() > heard + 10, { within: 5_000 });
    expect(await status(other)).toBe(200);
    await endsBy(others, () => revoke("token", tokenHash(other)));
  });

  it("reaches a call that has no answer yet: 401, not a failure of the upstream", async () => {
    const token = await stack.token("orders");
    const hangs = reflector.seen().calls.hang ?? 0;
    const call = ask(
      stack,
      { server: "orders", token },
      toolCall("2025-11-25", "hang", { after: "nothing" }),
    );
    await until("the call at the upstream", () => (reflector.seen().calls.hang ?? 0) > hangs, {
      within: 5_000,
    });
    await revoke("token", tokenHash(token));
    expect((await call).status).toBe(401);
    await until("the upstream being let go", () => reflector.seen().open === 0, { within: 2_000 });
  });

  it("of a grant ends its stream promptly", async () => {
    const token = await stack.token("orders", { client: "other-agent" });
    const stream = await startStream(token);
    const grant = await until("the grant being on record", () => grantOf("other-agent"), { within: 5_000 });
    await endsBy(stream, () => revoke("grant", grant));
  });

  it("of an agent ends its streams, and answers it with 401 whatever new token it gets, until its end", async () => {
    const token = await stack.token("orders", { client: "other-agent" });
    const stream = await startStream(token);
    const innocent = await stack.token("orders");
    await endsBy(stream, () => revoke("agent", "other-agent", 4));
    expect(await status(token)).toBe(401);
    expect(await status(await stack.token("orders", { client: "other-agent" }))).toBe(401);
    expect(await status(innocent)).toBe(200);
    await until("its end", async () => (await status(token)) === 200, { within: 10_000, every: 200 });
  });

  it("of a server ends every stream to it, and nobody calls it until its end", async () => {
    const tokens = [await stack.token("orders"), await stack.token("orders", { client: "other-agent" })];
    const streams = await Promise.all(tokens.map((token) => startStream(token)));
    await endsBy(streams[0] as Stream, () => revoke("server", "orders", 4));
    await streams[1]?.over;
    for (const token of tokens) expect(await status(token)).toBe(401);
    await until("its end", async () => (await status(tokens[0] as string)) === 200, {
      within: 10_000,
      every: 200,
    });
  });
});

/** The latest grant of an agent, as the audit log has it. */
async function grantOf(agent: string): Promise<string | undefined> {
  let found: string | undefined;
  const { signal } = new AbortController();
  for await (const { bytes } of readLog(collector.bus, auditLog, { follow: false, signal })) {
    for (const [, record = ""] of Buffer.from(bytes)
      .toString()
      .matchAll(/(\{[^{}]*"kind":"grant"[^{}]*\})/g)) {
      const { grant, agent: whose } = JSON.parse(record) as { grant?: string; agent?: string };
      if (whose === agent) found = grant;
    }
  }
  return found;
}
