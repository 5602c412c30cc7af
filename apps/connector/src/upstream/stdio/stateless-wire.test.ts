import type { Upstream } from "@sallyport/gate";
import { describe, expect, it } from "vitest";
import { type Ask, alive, ask, eventually, modern, modernHeaders, textOf } from "./stdio.fixture.ts";
import { upstreams } from "./upstreams.fixture.ts";

const { scripted, everything } = upstreams();

function tool(
  upstream: Upstream,
  id: number | string,
  name: string,
  more: Ask & { args?: object; meta?: object } = {},
) {
  const message = modern(id, "tools/call", { name, arguments: more.args ?? {}, _meta: more.meta ?? {} });
  return ask(upstream, message, { headers: modernHeaders("tools/call", name), ...more });
}

/** Says what it was sent, and answers some of it in an order of its own. */
const attentive = `
const lines = []; let held;
serve((m, line) => {
  lines.push(line);
  const name = m.params?.name;
  if (name === "pid") return text(m.id, process.pid);
  if (name === "told") return text(m.id, JSON.stringify(lines));
  if (name === "hold") { held = m; return; }
  if (name === "release") { text(m.id, "released"); text(held.id, "held"); }
  if (name === "progress") {
    say({ method: "notifications/progress", params: { progressToken: m.params._meta.progressToken, progress: 1 } });
    held = m;
  }
  if (name === "ask") { say({ id: "q", method: "roots/list" }); held = m; return; }
  if (m.id === "q") return text(held.id, JSON.stringify(m.error));
  if (name === "crash") process.exit(1);
});`;

describe("an SDK server over stdio without sessions", () => {
  it("is discovered and called; the answers have the ids of their requests, and no session", async () => {
    const upstream = everything("v2");
    const discover = ask(upstream, modern("d", "server/discover"), {
      headers: modernHeaders("server/discover"),
    });
    const echo = tool(upstream, "d", "test_echo", { args: { text: "hello" } });
    await eventually("both answers", () => discover.reply.ended && echo.reply.ended);
    expect(discover.reply.messages[0]).toMatchObject({
      id: "d",
      result: { supportedVersions: ["2026-07-28"] },
    });
    expect(echo.reply.messages[0]).toMatchObject({
      id: "d",
      result: { structuredContent: { text: "hello" } },
    });
    expect(discover.reply.header("mcp-session-id")).toBeUndefined();
    const unknown = ask(upstream, modern(1, "no/such"), { headers: modernHeaders("no/such") });
    await eventually("the answer", () => unknown.reply.ended);
    expect([unknown.reply.status, unknown.reply.messages[0]?.id]).toEqual([404, 1]);
  });

  it("streams progress under the token that the client chose, though two clients chose the same", async () => {
    const upstream = everything("v2");
    const calls = [1, 2].map(() =>
      tool(upstream, 0, "test_tool_with_progress", { meta: { progressToken: 0 } }),
    );
    await eventually("both answers", () => calls.every(({ reply }) => reply.ended));
    for (const { reply } of calls) {
      const progress = reply.messages.slice(0, -1).map((m) => m.params as { progressToken: number });
      expect(progress.length).toBeGreaterThan(1);
      expect(progress.every(({ progressToken }) => progressToken === 0)).toBe(true);
      expect(reply.messages.at(-1)?.id).toBe(0);
    }
  });

  it("tells a subscription of changes under the id that it was asked with, until the client goes", async () => {
    const upstream = everything("v2");
    const listen = (id: string) =>
      ask(upstream, modern(id, "subscriptions/listen", { notifications: { toolsListChanged: true } }), {
        headers: modernHeaders("subscriptions/listen"),
      });
    const [a, b] = [listen("sub"), listen("sub")];
    await eventually("both", () => a.reply.messages.length > 0 && b.reply.messages.length > 0);
    for (const { reply } of [a, b]) {
      const meta = (reply.messages[0] as { params: { _meta: Record<string, unknown> } }).params._meta;
      expect(meta["io.modelcontextprotocol/subscriptionId"]).toBe("sub");
      expect(reply.ended).toBe(false);
    }
    a.cancel();
  });

  it("that knows only the older wire answers what it says", async () => {
    const upstream = everything("v1");
    const { reply } = ask(upstream, modern(3, "server/discover"), {
      headers: modernHeaders("server/discover"),
    });
    await eventually("the answer", () => reply.ended);
    expect(reply.messages[0]).toMatchObject({ id: 3, error: { code: -32601 } });
  });
});

describe("one process for each agent", () => {
  it("serves its requests under ids of ours, the rest byte for byte, and is not another agent's", async () => {
    const upstream = scripted("shared", attentive);
    const first = tool(upstream, 7, "hold");
    const body =
      '{ "jsonrpc":"2.0", "params":{"name":"release", "arguments":{"n":1.50,\n"id":7},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}},"method":"tools/call", "id": 7 }';
    const second = ask(upstream, undefined, { raw: body, headers: modernHeaders("tools/call", "release") });
    await eventually("both answers", () => first.reply.ended && second.reply.ended);
    expect([textOf(first.reply), textOf(second.reply)]).toEqual(["held", "released"]);
    const told = tool(upstream, "x", "told");
    await eventually("the answer", () => told.reply.ended);
    expect((JSON.parse(textOf(told.reply)) as string[])[1]).toBe(
      body.replace("\n", " ").replace(/7 }$/, "2 }"),
    );
    const pids = ["agent-1", "agent-2", "agent-1"].map((principal) =>
      tool(upstream, 1, "pid", { principal }),
    );
    await eventually("the answers", () => pids.every(({ reply }) => reply.ended));
    const [a, b, c] = pids.map(({ reply }) => textOf(reply));
    expect(a).toBe(c);
    expect(a).not.toBe(b);
  });

  it("is told within 250 ms of a request whose client has gone, by the id it knows", async () => {
    const upstream = scripted("gone", attentive);
    const waiting = tool(upstream, "mine", "hold");
    const ready = tool(upstream, 1, "pid");
    await eventually("the answer", () => ready.reply.ended);
    const left = performance.now();
    waiting.cancel();
    const told = tool(upstream, 2, "told");
    await eventually("the answer", () => told.reply.ended);
    expect(performance.now() - left).toBeLessThan(250);
    expect(textOf(told.reply)).toContain('{\\"requestId\\":1,');
    tool(upstream, 3, "release");
    const after = tool(upstream, 4, "pid");
    await eventually("the answer", () => after.reply.ended);
    expect(waiting.reply.heads).toBe(0);
  });

  it("is not asked anything in turn, and not told of another client's cancellations", async () => {
    const upstream = scripted("asking", attentive);
    const asking = tool(upstream, 1, "ask");
    await eventually("the answer", () => asking.reply.ended);
    expect(textOf(asking.reply)).toContain("-32601");
    const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
    expect(ask(upstream, cancelled, { headers: modernHeaders("notifications/cancelled") }).reply.status).toBe(
      202,
    );
    const response = ask(
      upstream,
      { jsonrpc: "2.0", id: 1, result: {} },
      { headers: [["mcp-protocol-version", "2026-07-28"]] },
    );
    expect(response.reply.status).toBe(400);
    const told = tool(upstream, 2, "told");
    await eventually("the answer", () => told.reply.ended);
    expect(textOf(told.reply)).not.toContain("notifications/cancelled");
  });

  it.each<[string, string, object | undefined]>([
    ["a request without _meta", "tools/list", undefined],
    ["a request without a revision", "tools/list", { "io.modelcontextprotocol/clientCapabilities": {} }],
    [
      "a request without capabilities",
      "tools/list",
      { "io.modelcontextprotocol/protocolVersion": "2026-07-28" },
    ],
    ["the older wire's initialize", "initialize", undefined],
  ])("never gets %s, for which it would take the other wire", async (_, method, meta) => {
    const upstream = everything("v2");
    const params = meta === undefined ? {} : { _meta: meta };
    const headers = modernHeaders(method);
    const refused = ask(upstream, { jsonrpc: "2.0", id: 7, method, params }, { headers });
    expect(refused.reply.status).toBe(400);
    expect(refused.reply.messages[0]).toMatchObject({ id: 7, error: { code: -32602 } });
    const notified = ask(
      upstream,
      { jsonrpc: "2.0", method: "notifications/x", params },
      { headers: modernHeaders("notifications/x") },
    );
    expect(notified.reply.status).toBe(400);
    const discover = ask(upstream, modern("d", "server/discover"), {
      headers: modernHeaders("server/discover"),
    });
    await eventually("the answer", () => discover.reply.ended);
    expect(discover.reply.messages[0]).toMatchObject({ result: { supportedVersions: ["2026-07-28"] } });
  });

  it("never gets a revision that the bridge does not know, and the agent is told which it does", async () => {
    const upstream = everything("v2");
    const requested = { "io.modelcontextprotocol/protocolVersion": "v999.0.0" };
    const { reply } = ask(upstream, modern(1, "tools/list", { _meta: requested }), {
      headers: [["mcp-protocol-version", "v999.0.0"]],
    });
    expect(reply.status).toBe(400);
    expect(reply.messages[0]).toMatchObject({
      id: 1,
      error: { code: -32022, data: { supported: ["2026-07-28"], requested: "v999.0.0" } },
    });
  });

  it("ends when nobody uses it, and the next request starts another", async () => {
    const upstream = scripted("idle", attentive, { limits: { idleMs: 200 } });
    const pid = async () => {
      const { reply } = tool(upstream, 1, "pid");
      await eventually("the answer", () => reply.ended);
      return Number(textOf(reply));
    };
    const first = await pid();
    await eventually("its end", () => !alive(first));
    expect(await pid()).not.toBe(first);
  });

  it("that crashes fails its agent's requests, and this agent alone waits", async () => {
    const upstream = scripted("crash", attentive);
    const ready = tool(upstream, 0, "pid");
    await eventually("the answer", () => ready.reply.ended);
    const [waiting, crashing] = [tool(upstream, 1, "hold"), tool(upstream, 2, "crash")];
    await eventually("their end", () => waiting.reply.over && crashing.reply.over);
    for (const { reply } of [waiting, crashing])
      expect(reply.failures).toMatchObject([{ error: { code: "unavailable" }, reached: true }]);
    expect(tool(upstream, 3, "pid").reply.failures).toMatchObject([{ reached: false }]);
    const other = tool(upstream, 3, "pid", { principal: "agent-2" });
    await eventually("the answer", () => other.reply.ended);
    expect(other.reply.status).toBe(200);
  });
});
