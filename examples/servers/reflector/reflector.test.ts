import { setTimeout as pause } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FORM_NAMES, FORMS } from "./forms.ts";
import { type Reflector, startReflector } from "./start.ts";

const SECRET = 'sk-live/9+f=2"c';
const authorization = `Bearer ${SECRET}`;

let reflector: Reflector;
beforeEach(async () => {
  reflector = await startReflector();
});
afterEach(() => reflector.close());

function call(name: string, args: object, init: RequestInit = {}): Promise<Response> {
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
  return fetch(reflector.url, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify(message),
    redirect: "manual",
    ...init,
  });
}

const textIn = (body: string) =>
  (JSON.parse(body) as { result: { content: [{ text: string }] } }).result.content[0].text;

describe("the reflector as an MCP server", () => {
  it("answers a client of the SDK", async () => {
    const client = new Client({ name: "test", version: "1" });
    const transport = new StreamableHTTPClientTransport(new URL(reflector.url), {
      requestInit: { headers: { authorization } },
    });
    await client.connect(transport as Parameters<Client["connect"]>[0]);
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain("flood");
    const result = await client.callTool({ name: "plain", arguments: { text: "hello" } });
    expect(result.content).toEqual([{ type: "text", text: "hello" }]);
    await client.close();
  });

  it("answers the stateless wire", async () => {
    const message = { jsonrpc: "2.0", id: 1, method: "server/discover", params: {} };
    const response = await fetch(reflector.url, { method: "POST", body: JSON.stringify(message) });
    expect(await response.json()).toMatchObject({ result: { supportedVersions: ["2026-07-28"] } });
  });

  it("refuses a body beyond its bound by closing the connection", async () => {
    const body = "x".repeat(9 * 1_048_576);
    await expect(fetch(reflector.url, { method: "POST", body })).rejects.toThrow();
    expect(reflector.seen().calls).toEqual({});
  });
});

describe("the reflector gives its credential back", () => {
  it.each(FORM_NAMES)("in the form %s", async (form) => {
    const response = await call("echo", { in: "rpc-error", form });
    const { error } = (await response.json()) as { error: { data: { credential: string } } };
    expect(error.data.credential).toBe(FORMS[form](SECRET));
  });

  it.each(["gzip", "br", "deflate", "zstd"])("compressed by %s", async (encoding) => {
    const response = await call("echo", { encoding });
    expect(response.headers.get("content-encoding")).toBe(encoding);
    expect(textIn(await response.text())).toContain(JSON.stringify(SECRET));
  });

  it("in headers, cookies, HTTP errors and events", async () => {
    expect((await call("echo", { in: "header" })).headers.get("x-reflected")).toBe(SECRET);
    expect((await call("echo", { in: "cookie" })).headers.get("set-cookie")).toContain(SECRET);
    const failed = await call("echo", { in: "http-error" });
    expect([failed.status, await failed.text()]).toEqual([500, `upstream refused ${SECRET}`]);
    expect(await (await call("echo", { in: "sse", form: "hex" })).text()).toContain(FORMS.hex(SECRET));
  });

  it("from a Basic password or any other header", async () => {
    const basic = `Basic ${Buffer.from("user:pass:word").toString("base64")}`;
    const headers = { authorization: basic, "x-api-key": "key-7" };
    const reflected = async (from: string) => {
      return (await call("echo", { in: "header", from }, { headers })).headers.get("x-reflected");
    };
    expect(await reflected("basic-password")).toBe("pass:word");
    expect(await reflected("X-Api-Key")).toBe("key-7");
  });

  it.each([{}, { sse: true }, { encoding: "gzip" }])("in chunks of a few bytes: %o", async (more) => {
    const response = await call("dribble", { chunkBytes: 7, delayMs: 0, form: "base64", ...more });
    expect(await response.text()).toContain(FORMS.base64(SECRET));
  });
});

describe("the reflector misbehaves", () => {
  it("by redirects", async () => {
    const response = await call("redirect", { status: 302, location: "http://127.0.0.1:9/elsewhere" });
    expect([response.status, response.headers.get("location")]).toEqual([
      302,
      "http://127.0.0.1:9/elsewhere",
    ]);
  });

  it("by as many bytes as it is asked", async () => {
    const text = textIn(await (await call("flood", { mebibytes: 3.5 })).text());
    expect(text.length).toBe(3.5 * 1_048_576);
  });

  it("by events at intervals", async () => {
    const body = await (await call("stream", { events: 4, intervalMs: 1 })).text();
    expect(body.match(/notifications\/progress/g)).toHaveLength(4);
  });

  it("by a reset in mid-body", async () => {
    const response = await call("reset", { afterBytes: 10 });
    await expect(response.text()).rejects.toThrow();
  });

  it.each(["nothing", "head", "half"])(
    "by hanging after %s, and counts the client that gave up",
    async (after) => {
      const gaveUp = new AbortController();
      const asked = call("hang", { after }, { signal: gaveUp.signal }).then((response) => response.text());
      await until(() => reflector.seen().calls.hang === 1);
      gaveUp.abort();
      await expect(asked).rejects.toThrow();
      await until(() => reflector.seen().aborted === 1 && reflector.seen().open === 0);
    },
  );
});

describe("the reflector records", () => {
  it("what arrived; credentials only to who runs it", async () => {
    await call("plain", { text: "hello" });
    await call("no-such-tool", {});
    expect(reflector.seen()).toMatchObject({ requests: 2, calls: { plain: 1 } });
    expect(reflector.seen().recent[0]?.headers.authorization).toBe(authorization);
    const counts = await (await fetch(new URL("/__seen", reflector.url))).text();
    expect(JSON.parse(counts)).toMatchObject({ requests: 2, calls: { plain: 1 } });
    expect(counts).not.toContain("sk-live");
  });

  it("a call without its token as arrived, but not as called", async () => {
    const guarded = await startReflector({ token: "t" });
    expect((await fetch(guarded.url, { method: "POST" })).status).toBe(401);
    expect(guarded.seen()).toMatchObject({ requests: 1, calls: {} });
    await guarded.close();
  });

  it("no call with arguments beyond its bounds", async () => {
    const response = await call("flood", { mebibytes: 1e9 });
    expect(await response.json()).toMatchObject({ error: { code: -32_602 } });
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("condition not met in time");
    await pause(5);
  }
}
