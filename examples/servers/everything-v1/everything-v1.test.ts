import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WATCHED } from "../fixtures/resources.ts";
import type { Running } from "../http/listen.ts";
import { startEverythingV1 } from "./start.ts";

type ClientTransport = Parameters<Client["connect"]>[0];

let server: Running;
beforeEach(async () => {
  server = await startEverythingV1({ token: "t" });
});
afterEach(() => server.close());

async function connect(transport: unknown): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport as ClientTransport);
  return client;
}

const overHttp = () => {
  const requestInit = { headers: { authorization: "Bearer t" } };
  return new StreamableHTTPClientTransport(new URL(server.url), { requestInit });
};

const LIST = { jsonrpc: "2.0", id: 1, method: "tools/list" };

const post = (message: object, headers: Record<string, string>) =>
  fetch(server.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
  });

describe("everything on SDK v1", () => {
  it("tells a client that subscribed about a change, over the stream that the client opened", async () => {
    const client = await connect(overHttp());
    const updated = new Promise<string>((resolve) =>
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params.uri)),
    );
    await client.subscribeResource({ uri: WATCHED.uri });
    await client.callTool({ name: "test_update_watched_resource", arguments: { text: "new" } });
    expect(await updated).toBe(WATCHED.uri);
    await client.close();
  });

  it("ends a session that its client deleted", async () => {
    const transport = overHttp();
    const client = await connect(transport);
    const id = transport.sessionId ?? "";
    await transport.terminateSession();
    await client.close();
    expect((await post(LIST, { authorization: "Bearer t", "mcp-session-id": id })).status).toBe(404);
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

  it("speaks stdio", async () => {
    const args = [new URL("stdio.ts", import.meta.url).pathname];
    const client = await connect(new StdioClientTransport({ command: process.execPath, args }));
    const result = await client.callTool({ name: "test_echo", arguments: { text: "over a pipe" } });
    expect(result.structuredContent).toEqual({ text: "over a pipe" });
    await client.close();
  });
});
