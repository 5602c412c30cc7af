import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WATCHED } from "../fixtures/resources.ts";
import { connect, itServesSessions, LIST, post } from "../fixtures/sessions.fixture.ts";
import type { Running } from "../http/listen.ts";
import { startEverythingV1 } from "./start.ts";

let server: Running;
beforeEach(async () => {
  server = await startEverythingV1({ token: "t" });
});
afterEach(() => server.close());

const overHttp = () => {
  const requestInit = { headers: { authorization: "Bearer t" } };
  return new StreamableHTTPClientTransport(new URL(server.url), { requestInit });
};

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
    expect((await post(server, LIST, { authorization: "Bearer t", "mcp-session-id": id })).status).toBe(404);
  });

  itServesSessions(() => server, new URL("stdio.ts", import.meta.url).pathname);
});
