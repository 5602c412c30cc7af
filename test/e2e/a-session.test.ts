import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { type Running, startEverythingV1, startEverythingV2 } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, requestOn, send, toolCall } from "./call.fixture.ts";
import { connectV1 } from "./clients.fixture.ts";
import { doorTo } from "./doors.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const servers = ["v1", "v2"] as const;
const wire = "2025-11-25";
const secret = "everything-secret-19ab";

let stack: Stack;
let started: Running[];
let door: Awaited<ReturnType<typeof doorTo>>;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  const v1 = await startEverythingV1({ token: secret });
  const v2 = await startEverythingV2({ token: secret });
  door = await doorTo(v1.url);
  started = [v1, v2];
  stack = await startTunnel({
    routes: { v1: { url: door.url, secret }, v2: { url: v2.url, secret }, again: { url: door.url, secret } },
  });
  for (const server of [...servers, "again"]) tokens[server] = await stack.token(server);
});
afterAll(async () => {
  await stack?.stop();
  await door?.close();
  for (const one of started ?? []) await one.close();
});

const to = (server: string) => ({ server, token: tokens[server] ?? "" });
const inSession = (session: string) => ({ "mcp-protocol-version": wire, "mcp-session-id": session });

/** A session of its own, by hand. */
async function initialized(server: string): Promise<string> {
  const params = { protocolVersion: wire, capabilities: {}, clientInfo: { name: "test", version: "1" } };
  const { headers } = await ask(stack, to(server), {
    headers: {},
    body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
  });
  const session = headers.get("mcp-session-id") ?? "";
  const ready = await ask(stack, to(server), {
    headers: inSession(session),
    body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }),
  });
  expect(ready.status).toBe(202);
  return session;
}

describe.each(servers)("a session of 2025-11-25 with everything-%s", (server) => {
  it("carries the server's own requests to the client, and the answers back", async () => {
    const { client } = await connectV1(stack, to(server));
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: "none",
      role: "assistant",
      content: { type: "text", text: "sampled" },
    }));
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" }));
    const sampled = await client.callTool({ name: "test_sampling", arguments: { prompt: "?" } });
    expect(JSON.stringify(sampled.content)).toContain("LLM response: sampled");
    const elicited = await client.callTool({ name: "test_elicitation", arguments: { message: "?" } });
    expect(JSON.stringify(elicited.content)).toContain("action=decline");
    await client.close();
  });

  it("brings what the server says of itself over the stream that the client opened", async () => {
    const { client } = await connectV1(stack, to(server));
    const updated = new Promise<string>((resolve) =>
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params.uri)),
    );
    await client.subscribeResource({ uri: "test://watched-resource" });
    await client.callTool({ name: "test_update_watched_resource", arguments: { text: "new" } });
    expect(await updated).toBe("test://watched-resource");
    await client.close();
  });

  it("is resumed by the client whose stream broke", async () => {
    const { client } = await connectV1(stack, to(server));
    const result = await client.callTool({ name: "test_reconnection", arguments: {} });
    expect(JSON.stringify(result.content)).toContain("Reconnection test completed");
    await client.close();
  });

  it("gives the missed events to whoever comes with Last-Event-ID, and only those", async () => {
    const session = await initialized(server);
    const { headers, body } = toolCall(wire, "test_reconnection");
    const broken = await ask(stack, to(server), { headers: { ...headers, ...inSession(session) }, body });
    const [, primed] = /^id: (\S+)$/m.exec(broken.text) ?? [];
    expect(broken.text).not.toContain("Reconnection test completed");
    const gone = new AbortController();
    const resumed = await send(
      stack,
      { ...to(server), method: "GET", signal: gone.signal },
      { headers: { ...inSession(session), accept: "text/event-stream", "last-event-id": primed ?? "" } },
    );
    const reader = resumed.body?.getReader();
    let text = "";
    while (!text.includes("Reconnection test completed") || !text.endsWith("\n\n")) {
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
      if (done) break;
      text += Buffer.from(value ?? []).toString();
    }
    gone.abort();
    expect(text).toContain("Reconnection test completed");
    expect(text).not.toContain(`id: ${primed}\n`);
  });

  it("ends at the upstream when the client deletes it", async () => {
    const { client, transport } = await connectV1(stack, to(server));
    const session = transport.sessionId ?? "";
    await transport.terminateSession();
    await client.close();
    const list = requestOn(wire, "tools/list");
    const reply = await ask(stack, to(server), { ...list, headers: inSession(session) });
    expect(reply.status).toBe(404);
  });
});

describe("the name of a session", () => {
  const list = requestOn(wire, "tools/list").body;
  const statusWith = async (caller: { server: string; token: string }, session: string) =>
    (await ask(stack, caller, { headers: inSession(session), body: list })).status;

  it("is the connector's name and a sealed one: the upstream's own is not in it", async () => {
    const session = await initialized("v1");
    expect(session).toMatch(/^connector-1\.[A-Za-z0-9_-]{40,}$/);
    // The example servers name sessions by UUIDs.
    const opened = Buffer.from(session.slice("connector-1.".length), "base64url").toString("latin1");
    expect(opened).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}/);
  });

  it("opens nothing for another agent, and nothing of another server", async () => {
    const session = await initialized("v1");
    expect(await statusWith(to("v1"), session)).toBe(200);
    const before = door.connections();
    const other = { server: "v1", token: await stack.token("v1", { client: "other-agent" }) };
    expect(await statusWith(other, session)).toBe(404);
    expect(await statusWith(to("again"), session)).toBe(404);
    for (const method of ["DELETE", "GET"]) {
      const { status } = await ask(stack, { ...other, method }, { headers: inSession(session) });
      expect(status).toBe(404);
    }
    expect(door.connections()).toBe(before);
    expect(await statusWith(to("v1"), session)).toBe(200);
  });

  it("stays good with a fresh token of the same agent", async () => {
    const session = await initialized("v1");
    expect(await statusWith({ server: "v1", token: await stack.token("v1") }, session)).toBe(200);
  });

  it("that was guessed, bent or is somebody's upstream name is 404", async () => {
    const session = await initialized("v1");
    const bent = `${session.slice(0, -2)}${session.endsWith("AA") ? "BB" : "AA"}`;
    const guesses = [
      bent,
      session.slice(0, -1),
      session.slice("connector-1.".length),
      session.replace("connector-1", "connector-2"),
      "connector-1.",
      `connector-1.${"A".repeat(60)}`,
      `connector-1.${"A".repeat(4000)}`,
      crypto.randomUUID(),
      "a b",
    ];
    for (const guess of guesses) expect([guess, await statusWith(to("v1"), guess)]).toEqual([guess, 404]);
    expect(await statusWith(to("v1"), session)).toBe(200);
  });
});
