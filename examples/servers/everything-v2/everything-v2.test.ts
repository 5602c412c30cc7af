import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Running } from "../http/listen.ts";
import { startEverythingV2 } from "./start.ts";

const STDIO = [new URL("stdio.ts", import.meta.url).pathname];

const LIST = { jsonrpc: "2.0", id: 1, method: "tools/list" };

const modernCall = (name: string, args: object) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: {
    name,
    arguments: args,
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
});

let server: Running;
beforeEach(async () => {
  server = await startEverythingV2({ token: "t" });
});
afterEach(() => server.close());

function post(message: object, headers: Record<string, string>): Promise<Response> {
  return fetch(server.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
  });
}

describe("everything on SDK v2", () => {
  it("refuses a request whose headers and body differ", async () => {
    const headers = {
      authorization: "Bearer t",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
    };
    const named = (name: string) =>
      post(modernCall("test_echo", { text: "hi" }), { ...headers, "mcp-name": name });
    expect((await named("test_echo")).status).toBe(200);
    const refused = await named("test_simple_text");
    expect([refused.status, await refused.json()]).toMatchObject([400, { error: { code: -32_020 } }]);
  });

  it("answers 401 without its token, 404 to an unknown session, 400 to a call before initialize", async () => {
    expect((await post(LIST, {})).status).toBe(401);
    expect((await post(LIST, { authorization: "Bearer t", "mcp-session-id": "unknown" })).status).toBe(404);
    expect((await post(LIST, { authorization: "Bearer t" })).status).toBe(400);
  });

  it("ends the oldest session past its bound", async () => {
    const initialize = {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
    };
    const ids: string[] = [];
    for (let opened = 0; opened < 201; opened += 1) {
      const response = await post(initialize, { authorization: "Bearer t" });
      await response.text();
      ids.push(response.headers.get("mcp-session-id") ?? "");
    }
    const statusOf = async (id = "") => {
      return (await post(LIST, { authorization: "Bearer t", "mcp-session-id": id })).status;
    };
    expect([await statusOf(ids[0]), await statusOf(ids[1])]).toEqual([404, 200]);
  });

  it("speaks stdio to a client of sessions", async () => {
    const client = new Client({ name: "test", version: "1" });
    const transport = new StdioClientTransport({ command: process.execPath, args: STDIO });
    await client.connect(transport as Parameters<Client["connect"]>[0]);
    const result = await client.callTool({ name: "test_echo", arguments: { text: "over a pipe" } });
    expect(result.structuredContent).toEqual({ text: "over a pipe" });
    await client.close();
  });

  it("speaks stdio without a session, and ends when its input does", async () => {
    const child = spawn(process.execPath, STDIO, { stdio: ["pipe", "pipe", "inherit"] });
    const line = once(createInterface(child.stdout), "line");
    child.stdin.write(`${JSON.stringify(modernCall("test_echo", { text: "one" }))}\n`);
    expect(JSON.parse(String((await line)[0]))).toMatchObject({
      result: { structuredContent: { text: "one" } },
    });
    child.stdin.end();
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
