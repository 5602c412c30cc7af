import type { ServerResponse } from "node:http";
import {
  type Reflector,
  type Running,
  startEverythingV1,
  startEverythingV2,
  startReflector,
} from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, send, toolCall, wires } from "./call.fixture.ts";
import { connectV1, connectV2 } from "./clients.fixture.ts";
import { type WebServer, webServer } from "./doors.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secrets = {
  v1: "everything-one-71ac90",
  v2: "everything-two-5be2ff",
  reflector: "reflector-secret-88d1",
};

let stack: Stack;
let v1: Running;
let v2: Running;
let reflector: Reflector;
let web: WebServer;
let respond: (response: ServerResponse) => void;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  v1 = await startEverythingV1({ token: secrets.v1 });
  v2 = await startEverythingV2({ token: secrets.v2 });
  reflector = await startReflector({ token: secrets.reflector });
  web = await webServer((_request, response) => respond(response));
  const nobody = await webServer(() => undefined);
  stack = await startTunnel({
    routes: {
      v1: { url: v1.url, secret: secrets.v1 },
      v2: { url: v2.url, secret: secrets.v2 },
      reflector: { url: reflector.url, secret: secrets.reflector },
      guarded: { url: web.url, secret: "a-secret-that-is-not-there" },
      bare: { url: web.url },
      nobody: { url: nobody.url },
    },
  });
  await nobody.close();
  for (const server of ["v1", "v2", "reflector", "guarded", "bare", "nobody"])
    tokens[server] = await stack.token(server);
});
afterAll(async () => {
  await stack?.stop();
  for (const one of [v1, v2, reflector, web]) await one?.close();
});

const to = (server: string) => ({ server, token: tokens[server] ?? "" });

describe("the official clients, through every zone", () => {
  it("of 2026-07-28 lists and calls tools, reads and prompts, without a session", async () => {
    const { client, transport } = await connectV2(stack, to("v2"));
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain("test_echo");
    const result = await client.callTool({ name: "test_echo", arguments: { text: "héllo\u2028" } });
    expect(result.structuredContent).toEqual({ text: "héllo\u2028" });
    const { contents } = await client.readResource({ uri: "test://static-text" });
    expect(contents[0]).toMatchObject({ mimeType: "text/plain" });
    expect((await client.getPrompt({ name: "test_simple_prompt" })).messages.length).toBeGreaterThan(0);
    expect(transport.sessionId).toBeUndefined();
    await client.close();
  });

  it("of 2026-07-28 is asked within the result, and answers", async () => {
    const { client } = await connectV2(stack, to("v2"));
    client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name: "Ada" } }));
    const result = await client.callTool({ name: "test_input_required_result_elicitation", arguments: {} });
    expect(result.content).toEqual([{ type: "text", text: "Hello, Ada!" }]);
    await client.close();
  });

  it("of 2026-07-28 falls back to sessions where the server knows no better", async () => {
    const { client, transport } = await connectV2(stack, to("v1"));
    expect(client.getNegotiatedProtocolVersion()).toBe("2025-11-25");
    expect(transport.sessionId).toMatch(/^connector-1\./);
    const result = await client.callTool({ name: "test_echo", arguments: { text: "old" } });
    expect(result.structuredContent).toEqual({ text: "old" });
    await client.close();
  });

  it.each(["v1", "v2"])("of 2025-11-25 lists and calls tools of everything-%s", async (server) => {
    const { client } = await connectV1(stack, to(server));
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain("test_echo");
    const result = await client.callTool({ name: "test_echo", arguments: { text: "hello" } });
    expect(result.structuredContent).toEqual({ text: "hello" });
    const progress: number[] = [];
    await client.callTool({ name: "test_tool_with_progress", arguments: {} }, undefined, {
      onprogress: (step) => progress.push(step.progress),
    });
    expect(progress).toEqual([0, 50, 100]);
    await client.close();
  });
});

describe("bytes", () => {
  const odd = (wire: string) =>
    wire === "2025-11-25"
      ? ` {"params" :{"arguments":{"text":"\\u0041\\/ é 1","n":1.50e+2}, "name":"plain"},\r\n"id":1, "jsonrpc":"2.0","method":"tools\\/call"}\n`
      : ` {"params" :{"arguments":{"text":"\\u0041 é","n":-0.0}, "name":"plain","_meta":{ "io.modelcontextprotocol/protocolVersion":"2026-07-28", "x/y" :[1E3] }},"id":"i","jsonrpc":"2.0","method":"tools/call"}`;

  it.each(wires)(
    "of a request reach the upstream as the agent wrote them, on the wire of %s",
    async (wire) => {
      const { headers } = toolCall(wire, "plain");
      const body = odd(wire);
      await ask(stack, to("reflector"), { headers, body });
      expect(reflector.seen().recent.at(-1)?.body).toBe(body);
    },
  );

  it("of a request of nearly the largest size reach the upstream too", async () => {
    const { headers, body } = toolCall("2025-11-25", "plain", { text: "x".repeat(1_040_000) });
    const reply = await ask(stack, to("reflector"), { headers, body });
    expect(reply.status).toBe(200);
    expect(reflector.seen().recent.at(-1)?.body === body).toBe(true);
  });

  it.each(["bare", "guarded"])(
    "of a reply reach the agent as the upstream wrote them (%s)",
    async (server) => {
      const replies = {
        "application/json": `\n{"id":1 ,"result":{"a":1.0e+2,"b":"\\u00e9\\/","c":"é\u2028"},"jsonrpc":"2.0"}\r\n`,
        "text/event-stream": `: hello\r\nretry: 10\r\n\r\nid: 7\rdata: {"jsonrpc":"2.0",\rdata: "id":1,"result":{}}\r\r: bye\n\n`,
        "text/plain": "neither JSON nor \ttext\u0000\u00ff",
      };
      for (const [type, body] of Object.entries(replies)) {
        respond = (response) => response.writeHead(200, { "content-type": type }).end(body);
        const response = await send(stack, to(server), toolCall("2025-11-25", "x"));
        expect(response.headers.get("content-type")).toBe(type);
        expect(Buffer.from(await response.arrayBuffer()).toString("hex")).toBe(
          Buffer.from(body).toString("hex"),
        );
      }
    },
  );

  it("of a large reply all arrive", async () => {
    const reply = await ask(stack, to("reflector"), toolCall("2025-11-25", "flood", { mebibytes: 6 }));
    expect(reply.message.result?.content?.[0]?.text?.length).toBe(6 * 1024 * 1024);
  });

  it("carry the upstream's credential and not the agent's token", async () => {
    const { headers, body } = toolCall("2025-11-25", "plain", { text: "x" });
    await ask(stack, to("reflector"), {
      headers: { ...headers, cookie: "a=1", "x-forwarded-for": "1.2.3.4" },
      body,
    });
    const seen = reflector.seen().recent.at(-1);
    expect(seen?.headers.authorization).toBe(`Bearer ${secrets.reflector}`);
    expect(JSON.stringify(seen)).not.toContain(tokens.reflector);
    expect(Object.keys(seen?.headers ?? {}).sort()).toEqual(
      expect.not.arrayContaining(["cookie", "x-forwarded-for", "user-agent"]),
    );
  });
});

describe("an event stream", () => {
  it.each(["bare", "guarded"])(
    "brings each event before the upstream writes the next (%s)",
    async (server) => {
      const opened = new Promise<ServerResponse>((resolve) => {
        respond = (response) => {
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.flushHeaders();
          resolve(response);
        };
      });
      const response = await send(stack, to(server), toolCall("2025-11-25", "x"));
      const upstream = await opened;
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      const reader = response.body?.getReader();
      for (const n of [1, 2, 3]) {
        const event = `event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":${n}}}\n\n`;
        upstream.write(event);
        let text = "";
        while (text.length < event.length)
          text += Buffer.from((await reader?.read())?.value ?? []).toString();
        expect(text).toBe(event);
      }
      upstream.end();
      expect((await reader?.read())?.done).toBe(true);
    },
  );

  it("ends at the upstream when the agent goes away", async () => {
    const aborted = reflector.seen().aborted;
    const gone = new AbortController();
    const call = toolCall("2025-11-25", "hang", { after: "half" });
    const response = await send(stack, { ...to("reflector"), signal: gone.signal }, call);
    const reading = response.text().catch(() => "cut");
    gone.abort();
    expect(await reading).toBe("cut");
    await until("the upstream noticing", () => reflector.seen().aborted === aborted + 1, { within: 5_000 });
  });

  it("of an agent that does not read holds its upstream back", async () => {
    let written = 0;
    respond = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const chunk = `: ${"x".repeat(65_533)}\n`;
      const more = () => {
        do written += chunk.length;
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", more);
      more();
    };
    const gone = new AbortController();
    const response = await send(stack, { ...to("bare"), signal: gone.signal }, toolCall("2025-11-25", "x"));
    let before = -1;
    await until(
      "the flow coming to a halt",
      () => {
        const still = written > 0 && written === before;
        before = written;
        return still;
      },
      { within: 15_000, every: 500 },
    );
    expect(written).toBeLessThan(32 * 1024 * 1024);
    gone.abort();
    await response.body?.cancel().catch(() => undefined);
  });

  it("cut by the upstream tells the agent so, under the id of its call", async () => {
    const opened = new Promise<ServerResponse>((resolve) => {
      respond = (response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.flushHeaders();
        resolve(response);
      };
    });
    const response = await send(stack, to("bare"), toolCall("2025-11-25", "x"));
    const upstream = await opened;
    upstream.write(": one\n\n");
    let text = "";
    for await (const chunk of response.body ?? []) {
      if (text === "") upstream.socket?.resetAndDestroy();
      text += Buffer.from(chunk).toString();
    }
    expect(text).toMatch(/^: one\n\nevent: message\ndata: /);
    const event = JSON.parse(text.slice(text.lastIndexOf("data: ") + 6)) as object;
    expect(event).toMatchObject({
      id: 1,
      error: { code: -31503, data: { sallyport: { retryable: false } } },
    });
  });
});

describe("a call that fails at the upstream", () => {
  it("may be tried again where no connection came about, and is not offered for that where it did", async () => {
    const failure = async () => (await ask(stack, to("bare"), toolCall("2025-11-25", "x"))).message.error;
    respond = (response) => void response.socket?.resetAndDestroy();
    expect(await failure()).toMatchObject({ code: -31503, data: { sallyport: { retryable: false } } });
    const refused = await ask(stack, to("nobody"), toolCall("2025-11-25", "x"));
    expect(refused.message.error).toMatchObject({ code: -31503, data: { sallyport: { retryable: true } } });
  });

  it("says no address and no word of the upstream's", async () => {
    const { text } = await ask(stack, to("nobody"), toolCall("2025-11-25", "x"));
    expect(text).not.toMatch(/127\.0\.0\.1|ECONN/);
  });
});
