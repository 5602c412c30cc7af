import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, type Post, type RpcMessage, send, toolCall, wires } from "./call.fixture.ts";
import { type WebServer, webServer } from "./doors.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "web-secret-c41d";
/** Says one thing about each call, and is gone in the middle of it. */
const breaking = `
import { createInterface } from "node:readline";
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line);
  if (method === "initialize") say({ id, result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "b", version: "1" } } });
  if (method !== "tools/call") return;
  say({ method: "notifications/message", params: { level: "info", data: "at work as " + process.pid + "." } });
});
process.on("SIGUSR2", () => process.exit(7));`;

let dir: string;
let web: WebServer;
let stack: Stack;
let respond: (response: ServerResponse) => void;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sallyport-failing-"));
  await writeFile(join(dir, "breaking.mjs"), breaking);
  web = await webServer((_request, response) => {
    // A connection that is kept may be found broken by the next test's call, which then never comes to this server.
    response.setHeader("connection", "close");
    respond(response);
  });
  stack = await startTunnel({
    routes: { web: { url: web.url }, guarded: { url: web.url, secret } },
    policy: ["web", "guarded", "stdio"]
      .map((name) => `@id("all-${name}") permit(principal, action, resource in Server::"${name}");`)
      .join("\n"),
    more: {
      servers: () => ({
        web: { url: web.url },
        guarded: {
          url: web.url,
          credential: { name: "guarded", place: { in: "header", name: "authorization", prefix: "Bearer " } },
        },
        stdio: { command: process.execPath, args: [join(dir, "breaking.mjs")] },
      }),
    },
  });
  for (const server of ["web", "guarded", "stdio"]) tokens[server] = await stack.token(server);
});
afterAll(async () => {
  await stack?.stop();
  await web?.close();
  await rm(dir, { recursive: true, force: true });
});

const to = (server: string) => ({ server, token: tokens[server] ?? "" });

/** The web server says the first of a stream. What is returned breaks its connection. */
function saysAndWaits(first: string): () => void {
  let held: ServerResponse | undefined;
  respond = (response) => {
    held = response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(first);
  };
  return () => void held?.socket?.resetAndDestroy();
}

/** Breaks the upstream once the agent has seen some of the reply, and reads what comes after. */
async function askAndBreak(
  server: string,
  post: Post,
  { once, breaks }: { once: RegExp; breaks(seen: RegExpExecArray): void },
): Promise<{ text: string; message: RpcMessage }> {
  const response = await send(stack, to(server), post);
  const decoder = new TextDecoder();
  let text = "";
  let broken = false;
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const seen = once.exec(text);
    if (seen === null || broken) continue;
    broken = true;
    breaks(seen);
  }
  const last = text.slice(text.lastIndexOf("data: ") + "data: ".length);
  return { text, message: text.includes("data: ") ? (JSON.parse(last) as RpcMessage) : {} };
}

describe("an upstream that breaks in the middle of its events", () => {
  it.each(["web", "guarded"])("is named as what failed, over HTTP (%s)", async (server) => {
    const broken = saysAndWaits(": one\n\n");
    const call = toolCall("2025-11-25", "x");
    const { text, message } = await askAndBreak(server, call, { once: /one/, breaks: broken });
    expect(text).toMatch(/^: one\n\nevent: message\ndata: /);
    expect(message).toMatchObject({
      id: 1,
      error: {
        code: -31503,
        data: {
          sallyport: {
            code: "unavailable",
            source: "upstream",
            retryable: false,
            reason: `${server} broke off its reply`,
          },
        },
      },
    });
    expect(await connectorLog()).toContain(`${server} broke off its reply`);
  });

  it.each(wires)("is named as what failed, over stdio (%s)", async (wire) => {
    const { headers, body } = toolCall(wire, "x");
    const { text, message } = await until(
      "a call that has begun (a server that broke is not started again at once)",
      async () => {
        const session = wire === "2025-11-25" ? await sessionOf("stdio") : {};
        const post = { headers: { ...headers, ...session }, body };
        const reply = await askAndBreak("stdio", post, {
          once: /at work as (\d+)\./,
          breaks: ([, pid]) => process.kill(Number(pid), "SIGUSR2"),
        });
        return reply.text.includes("at work") ? reply : undefined;
      },
      { within: 15_000 },
    );
    expect(text).toMatch(/\n\nevent: message\n.*\n\n$/);
    expect(message).toMatchObject({
      id: 1,
      error: {
        data: { sallyport: { source: "upstream", retryable: false, reason: "stdio exited with code 7" } },
      },
    });
    expect(await connectorLog()).toContain("stdio exited with code 7");
  });

  it("is cut where an event is not whole: what we say would be taken for a part of it", async () => {
    const broken = saysAndWaits("data: half");
    const call = toolCall("2025-11-25", "x");
    await expect(askAndBreak("web", call, { once: /half/, breaks: broken })).rejects.toThrow();
  });
});

it("an upstream that breaks the connection before it answers was reached, and that is said", async () => {
  respond = (response) => void response.socket?.resetAndDestroy();
  const { message } = await ask(stack, to("web"), toolCall("2025-11-25", "x"));
  expect(message.error?.data?.sallyport).toMatchObject({
    source: "upstream",
    retryable: false,
    reason: "web broke the connection before it answered",
  });
});

it.each(["web", "guarded"])("the head of a JSON reply does not wait for a late body (%s)", async (server) => {
  const opened = new Promise<ServerResponse>((resolve) => {
    respond = (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      resolve(response);
    };
  });
  const response = await send(stack, to(server), toolCall("2025-11-25", "x"));
  expect(response.status).toBe(200);
  (await opened).end('{"jsonrpc":"2.0","id":1,"result":{}}');
  expect(await response.json()).toEqual({ jsonrpc: "2.0", id: 1, result: {} });
});

it("a token that only the connector refuses is answered with the same challenge as the edge's own", async () => {
  const connector = stack.zones.get("connector-connector-1");
  if (connector === undefined) throw new Error("there is no connector");
  const config = await readFile(connector.configFile, "utf8");
  // To this connector every token is one for somebody else.
  await writeFile(connector.configFile, config.replaceAll(stack.edgeUrl, "https://other.example"));
  await connector.restart();
  const call = toolCall("2025-11-25", "x");
  const metadata = `${stack.edgeUrl}/.well-known/oauth-protected-resource/mcp/web`;
  // At first the edge hears it of the call, then it knows it of the grant.
  for (const _ of [1, 2, 3]) {
    const reply = await until(
      "the refusal",
      async () => {
        const one = await ask(stack, to("web"), call);
        return one.status === 401 ? one : undefined;
      },
      { within: 15_000 },
    );
    expect(reply.headers.get("www-authenticate")).toBe(
      `Bearer error="invalid_token", error_description="the access token was not accepted", resource_metadata="${metadata}", scope="mcp:web"`,
    );
  }
  await writeFile(connector.configFile, config);
  await connector.restart();
  await until("the connector being back", async () => (await connector.readiness()).ready, {
    within: 15_000,
  });
});

async function sessionOf(server: string): Promise<Record<string, string>> {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 0,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  });
  const { headers } = await ask(stack, to(server), { headers: {}, body });
  return { "mcp-session-id": headers.get("mcp-session-id") ?? "" };
}

async function connectorLog(): Promise<string> {
  return await readFile(stack.zones.get("connector-connector-1")?.logFile ?? "", "utf8");
}
