import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { itServesSessions, post } from "../fixtures/sessions.fixture.ts";
import type { Running } from "../http/listen.ts";
import { startEverythingV2 } from "./start.ts";

const STDIO = new URL("stdio.ts", import.meta.url).pathname;

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

describe("everything on SDK v2", () => {
  it("refuses a request whose headers and body differ", async () => {
    const headers = {
      authorization: "Bearer t",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
    };
    const named = (name: string) =>
      post(server, modernCall("test_echo", { text: "hi" }), { ...headers, "mcp-name": name });
    expect((await named("test_echo")).status).toBe(200);
    const refused = await named("test_simple_text");
    expect([refused.status, await refused.json()]).toMatchObject([400, { error: { code: -32_020 } }]);
  });

  itServesSessions(() => server, STDIO);

  it("speaks stdio without a session, and ends when its input does", async () => {
    const child = spawn(process.execPath, [STDIO], { stdio: ["pipe", "pipe", "inherit"] });
    const line = once(createInterface(child.stdout), "line");
    child.stdin.write(`${JSON.stringify(modernCall("test_echo", { text: "one" }))}\n`);
    expect(JSON.parse(String((await line)[0]))).toMatchObject({
      result: { structuredContent: { text: "one" } },
    });
    child.stdin.end();
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
