import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { until } from "@sallyport/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Served, serve } from "./tool-server.fixture.ts";

let served: Served;
const clients: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  served = await serve({ maxSessions: 2, maxCallsPerSandbox: 3, maxBodyBytes: 100_000 });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close().catch(() => {})));
  await served[Symbol.asyncDispose]();
});

const as = (principal: string) => ({ requestInit: { headers: { "x-principal": principal } } });
interface Text {
  readonly content: readonly { type: string; text?: string }[];
  readonly isError?: boolean;
  readonly _meta?: Record<string, unknown>;
}
const textOf = (result: unknown) => (result as Text).content[0]?.text;
const handleOf = (result: unknown) => String((result as Text)._meta?.["dev.sallyport/sandbox"]);

async function v1(principal = "anna") {
  const client = new ClientV1({ name: "test", version: "1" });
  const transport = new TransportV1(served.url, as(principal));
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  clients.push(client);
  return { client, transport };
}
async function v2(principal = "anna") {
  const versionNegotiation = { mode: { pin: "2026-07-28" } } as const;
  const client = new ClientV2({ name: "test", version: "1" }, { versionNegotiation });
  await client.connect(new TransportV2(served.url, as(principal)));
  clients.push(client);
  return client;
}
const bash = (command: string, more: object = {}) => ({ name: "bash", arguments: { command, ...more } });

/** A request as no client would make it. */
async function raw(method: string, headers: Record<string, string>, body?: string) {
  const response = await fetch(served.url, {
    method,
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = response.headers.get("content-type")?.includes("event-stream") ? "" : await response.text();
  if (text === "") await response.body?.cancel();
  return { status: response.status, text };
}
const list = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } },
});

const names = ["bash", "read", "write", "edit", "glob", "grep", "list_processes", "kill_process"];

describe("the wire with sessions", () => {
  it("lists the tools with titles and hints", async () => {
    const { client } = await v1();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(names);
    expect(tools[1]).toMatchObject({ title: "Read a file", annotations: { readOnlyHint: true } });
    expect(tools[0]?.inputSchema.properties).not.toHaveProperty("sandbox");
  });

  it("keeps one sandbox for a session, named by its id, begun at the first call", async () => {
    const { client, transport } = await v1();
    const [handle] = served.sandboxes.held.keys();
    expect(transport.sessionId).toBe(handle);
    expect(served.sandboxes.held.get(handle ?? "")?.bench).toBeUndefined();
    await client.callTool({ name: "write", arguments: { file_path: "a", content: "kept" } });
    expect(textOf(await client.callTool(bash("cat a; x=1")))).toBe("kept");
    expect(textOf(await client.callTool(bash("echo $x")))).toBe("1");
    await transport.terminateSession();
    await until("the sandbox has ended", async () => served.sandboxes.held.size === 0, { within: 5_000 });
  });

  it("tells progress, and a cancelled command is killed", async () => {
    const { client, transport } = await v1();
    const stop = new AbortController();
    const said: { progress: number; message?: string | undefined }[] = [];
    const running = client.callTool(bash("echo $$ >pid; echo hello; exec sleep 300"), undefined, {
      signal: stop.signal,
      onprogress: (one) => {
        said.push(one);
        stop.abort();
      },
    });
    await expect(running).rejects.toThrow();
    expect(said[0]?.message).toMatch(/\d bytes of output\nhello$/);
    expect(textOf(await client.callTool(bash("kill -0 $(cat pid) 2>&1 || echo gone")))).toContain("gone");
    expect(transport.sessionId).toBeDefined();
  });

  it("ends a call whose stream is closed", async () => {
    const { client, transport } = await v1();
    const session = { "mcp-session-id": transport.sessionId ?? "", "x-principal": "anna" };
    const params = bash("touch begun; sleep 300");
    await raw("POST", session, JSON.stringify({ jsonrpc: "2.0", id: 77, method: "tools/call", params }));
    const began = performance.now();
    expect(textOf(await client.callTool(bash("echo next")))).toBe("next");
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it("refuses an id that another request is still answered under, and takes it again afterwards", async () => {
    const { client, transport } = await v1();
    const session = {
      ...{ "mcp-session-id": transport.sessionId ?? "", "x-principal": "anna" },
      ...{ accept: "application/json, text/event-stream", "content-type": "application/json" },
    };
    const call = (id: string | number, command: string) => {
      const body = JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: bash(command) });
      return fetch(served.url, { method: "POST", headers: session, body });
    };
    const first = await call(7, "until [ -e go ]; do sleep 0.02; done; echo first");
    const second = await call(7, "echo second");
    expect(second.status).toBe(400);
    expect(await second.json()).toMatchObject({
      id: 7,
      error: { code: -32_600, message: expect.stringContaining("use another id") },
    });
    const inBatch = [8, 7].map((id) => ({ jsonrpc: "2.0", id, method: "tools/list" }));
    expect(await raw("POST", session, JSON.stringify(inBatch))).toMatchObject({ status: 400 });
    // Neither an id of another type nor one of a refused batch is in use.
    expect(await raw("POST", session, list.replace('"id":1', '"id":"7"'))).toMatchObject({ status: 200 });
    expect(await raw("POST", session, list.replace('"id":1', '"id":8'))).toMatchObject({ status: 200 });
    await client.callTool({ name: "write", arguments: { file_path: "go", content: "" } });
    expect(await first.text()).toContain("first");
    expect(await (await call(7, "echo third")).text()).toContain("third");
  });

  it("takes an id again whose request was left", async () => {
    const { client, transport } = await v1();
    const session = { "mcp-session-id": transport.sessionId ?? "", "x-principal": "anna" };
    const params = bash("sleep 300");
    await raw("POST", session, JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params }));
    expect(textOf(await client.callTool(bash("echo next")))).toBe("next");
    expect(await raw("POST", session, list.replace('"id":1', '"id":7'))).toMatchObject({ status: 200 });
  });

  it("is answered 404 when its sandbox is gone, and never gets a fresh one", async () => {
    const { client, transport } = await v1();
    const handle = transport.sessionId ?? "";
    await client.callTool(bash("true"));
    const bench = await served.sandboxes.held.get(handle)?.bench;
    const running = client.callTool(bash("touch begun; sleep 300"));
    await until("it runs", async () => (await bench?.files.glob("begun"))?.found.length === 1, {
      within: 5_000,
    });
    bench?.agent.kill("SIGKILL");
    expect(textOf(await running)).toMatch(/ended during this call/);
    served.sandboxes.held.delete(handle);
    await expect(client.callTool(bash("true"))).rejects.toThrow(/Session not found/);
    expect(await raw("POST", { "mcp-session-id": handle }, list)).toMatchObject({ status: 404 });
    await bench?.[Symbol.asyncDispose]();
  });

  it("is over for all of its requests once its owner says so", async () => {
    const { client, transport } = await v1();
    const running = client.callTool(bash("sleep 300"), undefined, { timeout: 5_000 });
    running.catch(() => {});
    served.tools.ended(transport.sessionId ?? "");
    await expect(client.listTools()).rejects.toThrow(/Session not found/);
  });

  it("does not tell another's session from one that never was", async () => {
    const { transport } = await v1("anna");
    const asked = (principal: string, id: string) =>
      raw("POST", { "mcp-session-id": id, "x-principal": principal }, list);
    expect(await asked("anna", transport.sessionId ?? "")).toMatchObject({ status: 200 });
    const other = await asked("bob", transport.sessionId ?? "");
    expect(other).toEqual(await asked("bob", "test.unknown"));
    expect(other.status).toBe(404);
    expect(
      await raw("DELETE", { "mcp-session-id": transport.sessionId ?? "", "x-principal": "bob" }),
    ).toEqual(other);
  });

  it("refuses one session too many, and one for which no sandbox is free", async () => {
    await v1();
    await v1();
    await expect(v1()).rejects.toThrow(/too many sessions/);
    served.tools.ended([...served.sandboxes.held.keys()][0] ?? "");
    served.sandboxes.most = 0;
    await expect(v1()).rejects.toThrow(/no sandbox is free/);
  });

  it("gives back the sandbox of a session that was refused", async () => {
    expect(await raw("POST", { accept: "text/html" }, initialize)).toMatchObject({ status: 406 });
    expect(served.sandboxes.held.size).toBe(0);
  });

  it("bounds the calls of one sandbox, and what a request holds", async () => {
    const { client } = await v1();
    const calls = [1, 2, 3, 4].map(() => client.callTool(bash("sleep 0.3")));
    const texts = (await Promise.all(calls)).map(textOf);
    expect(texts.filter((text) => text?.includes("too many calls"))).toHaveLength(1);
    await expect(client.callTool(bash(`: ${"x".repeat(100_000)}`))).rejects.toThrow(/at most 100000 bytes/);
    expect(await raw("POST", {}, "{")).toMatchObject({ status: 400 });
    expect(await raw("POST", {}, list)).toMatchObject({ status: 400 });
  });
});

describe("the wire without sessions", () => {
  it("lists the tools with an argument for the sandbox", async () => {
    const { tools } = await (await v2()).listTools();
    expect(tools.map(({ name }) => name)).toEqual(names);
    for (const { inputSchema, title } of tools)
      expect([inputSchema.properties, title]).toEqual([
        expect.objectContaining({ sandbox: expect.anything() }),
        expect.any(String),
      ]);
    expect(served.sandboxes.held.size).toBe(0);
  });

  it("opens a sandbox and names it, and works on in the one that is named", async () => {
    const client = await v2();
    const first = await client.callTool(bash("echo kept >a; echo done"));
    const sandbox = handleOf(first);
    expect(first.content).toEqual([
      { type: "text", text: "done" },
      { type: "text", text: `sandbox: ${sandbox}` },
    ]);
    const second = await client.callTool(bash("cat a", { sandbox }));
    expect(second).toMatchObject({
      content: [{ text: "kept" }],
      _meta: { "dev.sallyport/sandbox": sandbox },
    });
    expect(served.sandboxes.held.size).toBe(1);
  });

  it("says alike that a sandbox is gone, unknown or another's, and opens none", async () => {
    const [anna, bob] = [await v2("anna"), await v2("bob")];
    const sandbox = handleOf(await anna.callTool(bash("true")));
    const others = await bob.callTool(bash("true", { sandbox }));
    expect(others).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/gone.*without `sandbox`/) }],
    });
    const unknown = await bob.callTool(bash("true", { sandbox: "test.unknown" }));
    expect(textOf(unknown)).toBe(textOf(others));
    expect(unknown._meta?.["dev.sallyport/sandbox"]).toBeUndefined();
    await served.sandboxes.end(sandbox);
    expect(textOf(await anna.callTool(bash("true", { sandbox })))).toBe(textOf(others));
    expect(served.sandboxes.held.size).toBe(0);
  });

  it("opens nothing for a call that can't be made", async () => {
    const client = await v2();
    expect(await client.callTool({ name: "read", arguments: { path: "x" } })).toMatchObject({
      isError: true,
    });
    expect(await client.callTool(bash("true", { sandbox: "a b" }))).toMatchObject({ isError: true });
    await expect(client.callTool({ name: "nothing", arguments: {} })).rejects.toThrow(/no such tool/);
    served.sandboxes.most = 0;
    expect(textOf(await client.callTool(bash("true")))).toBe("bash: no sandbox is free");
    expect(served.sandboxes.held.size).toBe(0);
  });

  it("tells progress; a call that is left is killed, and a sandbox that nobody can name is ended", async () => {
    const client = await v2();
    const sandbox = handleOf(await client.callTool(bash("true")));
    const leave = async (more: object) => {
      const stop = new AbortController();
      const running = client.callTool(bash("echo $$ >pid; echo hello; exec sleep 300", more), {
        signal: stop.signal,
        onprogress: ({ message }) => {
          expect(message).toMatch(/hello$/);
          stop.abort();
        },
      });
      await expect(running).rejects.toThrow();
    };
    await leave({ sandbox });
    expect(
      textOf(await client.callTool(bash("kill -0 $(cat pid) 2>&1 || echo gone", { sandbox }))),
    ).toContain("gone");
    await leave({});
    await until("one is left", async () => served.sandboxes.held.size === 1, { within: 5_000 });
  });
});
