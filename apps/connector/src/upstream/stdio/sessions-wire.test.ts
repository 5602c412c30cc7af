import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { alive, answered, ask, begin, call, eventually, initialize, textOf } from "./stdio.fixture.ts";
import { upstreams } from "./upstreams.fixture.ts";

const { scripts, started, scripted, everything } = upstreams();

/** Answers `pid`, remembers what it was sent, and says it on `told`. */
const attentive = `
const lines = [];
serve((m, line) => {
  lines.push(line);
  if (m.method === "initialize") return hello(m.id);
  if (m.params?.name === "pid") return text(m.id, process.pid);
  if (m.params?.name === "told") return text(m.id, JSON.stringify(lines));
  if (m.params?.name === "say") return process.stdout.write(m.params.arguments.lines.map((l) => l + "\\n").join(""));
});`;

describe("an SDK server over stdio, as a Streamable HTTP server", () => {
  it("answers initialize with an unguessable session id, and calls as JSON with their own ids", async () => {
    const upstream = everything("v1");
    const { reply } = ask(upstream, initialize("first"));
    await eventually("the answer", () => reply.ended);
    expect(reply.status).toBe(200);
    expect(reply.header("content-type")).toBe("application/json");
    expect(reply.header("mcp-session-id")).toMatch(/^[\w-]{32}$/);
    expect(reply.messages[0]).toMatchObject({
      id: "first",
      result: { serverInfo: { name: "everything-v1" } },
    });
    const session = await begin(upstream);
    expect(session).not.toBe(reply.header("mcp-session-id"));
    for (const id of [7, "seven"]) {
      const echo = await answered(upstream, call(id, "test_echo", { args: { text: "hé\u2028\n" } }), {
        session,
      });
      expect(echo.messages).toMatchObject([{ id, result: { structuredContent: { text: "hé\u2028\n" } } }]);
    }
  });

  it("streams progress of the request it belongs to, then the answer", async () => {
    const upstream = everything("v1");
    const session = await begin(upstream);
    const [a, b] = [1, 2].map((id) =>
      ask(upstream, call(id, "test_tool_with_progress", { token: `token-${id}` }), { session }),
    );
    await eventually("both answers", () => a?.reply.ended && b?.reply.ended);
    for (const [id, reply] of [
      [1, a?.reply],
      [2, b?.reply],
    ] as const) {
      expect(reply?.header("content-type")).toBe("text/event-stream");
      expect(
        reply?.messages.map((m) => (m.params as { progressToken: string })?.progressToken ?? m.id),
      ).toEqual([`token-${id}`, `token-${id}`, `token-${id}`, id]);
    }
  });

  it("asks the client during a call, and hears its answer", async () => {
    const upstream = everything("v1");
    const session = await begin(upstream);
    const { reply } = ask(upstream, call(5, "test_sampling", { args: { prompt: "hi" } }), { session });
    const question = await eventually("the question", () => reply.messages[0]);
    expect(question.method).toBe("sampling/createMessage");
    const result = { role: "assistant", model: "m", content: { type: "text", text: "forty-two" } };
    const posted = ask(upstream, { jsonrpc: "2.0", id: question.id, result }, { session });
    expect([posted.reply.status, posted.reply.ended, posted.reply.raw]).toEqual([202, true, ""]);
    await eventually("the answer", () => reply.ended);
    expect(textOf(reply)).toContain("forty-two");
  });

  it("gives to the GET stream what belongs to no request, when one is open", async () => {
    const upstream = everything("v1");
    const session = await begin(upstream);
    const stream = ask(upstream, undefined, { method: "GET", session });
    expect([stream.reply.status, stream.reply.header("content-type")]).toEqual([200, "text/event-stream"]);
    const logging = await answered(upstream, call(1, "test_tool_with_logging"), { session });
    expect(logging.header("content-type")).toBe("application/json");
    await eventually("three messages", () => stream.reply.messages.length === 3);
    expect(stream.reply.ended).toBe(false);
    ask(upstream, undefined, { method: "DELETE", session });
    expect(stream.reply.ended).toBe(true);
  });
});

describe("a session", () => {
  it("has a process of its own; ended by DELETE it is 404, and its process is gone", async () => {
    const upstream = scripted("own", attentive);
    const sessions = [await begin(upstream), await begin(upstream)];
    const pids = await Promise.all(
      sessions.map(async (session) => Number(textOf(await answered(upstream, call(1, "pid"), { session })))),
    );
    expect(new Set(pids).size).toBe(2);
    const [first, second] = sessions;
    expect(ask(upstream, undefined, { method: "DELETE", session: first }).reply.status).toBe(204);
    await eventually("its process ending", () => !alive(pids[0] as number));
    for (const method of ["POST", "GET", "DELETE"] as const) {
      const { reply } = ask(upstream, call(9, "pid"), { method, session: first });
      expect([reply.status, reply.ended]).toEqual([404, true]);
    }
    expect(alive(pids[1] as number)).toBe(true);
    expect(textOf(await answered(upstream, call(2, "pid"), { session: second }))).toBe(String(pids[1]));
  });

  it("refuses a second request with an id that is in flight, and a second GET stream", async () => {
    const upstream = scripted("twice", attentive);
    const session = await begin(upstream);
    const first = ask(upstream, call(1, "never"), { session });
    const second = ask(upstream, call(1, "pid"), { session });
    expect(second.reply.status).toBe(400);
    expect(second.reply.messages[0]).toMatchObject({ id: 1, error: { code: -32600 } });
    expect(first.reply.over).toBe(false);
    expect(textOf(await answered(upstream, call("1", "pid"), { session }))).toMatch(/^\d+$/);
    const stream = ask(upstream, undefined, { method: "GET", session });
    expect(ask(upstream, undefined, { method: "GET", session }).reply.status).toBe(409);
    stream.cancel();
    expect(ask(upstream, undefined, { method: "GET", session }).reply.status).toBe(200);
  });

  it("is needed for all but initialize", () => {
    const upstream = scripted("needed", attentive);
    expect(ask(upstream, call(1, "pid")).reply.status).toBe(400);
    expect(ask(upstream, undefined, { method: "GET" }).reply.status).toBe(405);
    expect(ask(upstream, undefined, { method: "DELETE" }).reply.status).toBe(405);
    expect(ask(upstream, call(1, "pid"), { session: "guessed" }).reply.status).toBe(404);
  });

  it("that the server refuses has no name, and no process", async () => {
    const upstream = scripted(
      "refusing",
      'serve((m) => say({ id: m.id, error: { code: -32602, message: "version" } }));',
    );
    const { reply } = ask(upstream, initialize());
    await eventually("the answer", () => reply.ended);
    expect(reply.messages[0]).toMatchObject({ error: { code: -32602 } });
    expect(reply.header("mcp-session-id")).toBeUndefined();
    expect(upstream.problem()).toBeUndefined();
  });
});

describe("what the client takes back", () => {
  it("by going: the server is told within 250 ms, and its late answer finds nobody", async () => {
    const upstream = scripted("gone", attentive);
    const session = await begin(upstream);
    const waiting = ask(upstream, call("slow", "never"), { session });
    const told = answered(upstream, call(2, "told"), { session });
    await told;
    const left = performance.now();
    waiting.cancel();
    const lines = JSON.parse(textOf(await answered(upstream, call(3, "told"), { session }))) as string[];
    expect(performance.now() - left).toBeLessThan(250);
    expect(JSON.parse(lines.at(-2) ?? "")).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: "slow" },
    });
    const late = JSON.stringify({ jsonrpc: "2.0", id: "slow", result: {} });
    ask(upstream, call(4, "say", { args: { lines: [late] } }), { session });
    await answered(upstream, call(5, "pid"), { session });
    expect(waiting.reply.heads).toBe(0);
    const another = ask(upstream, call("another", "never"), { session });
    another.cancel();
    expect(ask(upstream, call("another", "never"), { session }).reply.over).toBe(false); // the id is free again
  });

  it("by a message: it is passed on, and the POST that waited ends", async () => {
    const upstream = scripted("cancelled", attentive);
    const session = await begin(upstream);
    const { reply } = ask(upstream, call(1, "never"), { session });
    const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
    expect(ask(upstream, cancelled, { session }).reply.status).toBe(202);
    expect([reply.status, reply.ended, reply.raw]).toEqual([200, true, ""]);
    const told = await answered(upstream, call(2, "told"), { session });
    expect(textOf(told)).toContain("notifications/cancelled");
  });

  it("before its answer to initialize: the process ends, for nobody will know its name", async () => {
    const upstream = scripted(
      "unborn",
      `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(scripts.path("unborn.pid"))}, String(process.pid)); serve(() => {});`,
    );
    const { cancel } = ask(upstream, initialize());
    const pid = await eventually("its start", () => {
      try {
        return Number(readFileSync(scripts.path("unborn.pid"), "utf8")) || undefined;
      } catch {
        return undefined;
      }
    });
    cancel();
    await eventually("its end", () => !alive(pid));
  });
});

describe("messages of the server that belong to no request", () => {
  const note = (n: number) =>
    JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { n } });

  it("wait for a GET stream, and then go to it in order", async () => {
    const upstream = scripted(
      "early",
      attentive.replace(
        "hello(m.id)",
        `(hello(m.id), [1, 2].map((n) => say({ method: "note", params: { n } })))`,
      ),
    );
    const session = await begin(upstream);
    // No request is open meanwhile: they would go onto its stream.
    const { reply } = ask(upstream, undefined, { method: "GET", session });
    await eventually("both", () => reply.messages.length === 2);
    expect(reply.messages).toMatchObject([{ params: { n: 1 } }, { params: { n: 2 } }]);
  });

  it("go onto the newest open POST when there is no GET stream", async () => {
    const upstream = scripted("onto", attentive);
    const session = await begin(upstream);
    const { reply } = ask(upstream, call(1, "say", { args: { lines: [note(1)] } }), { session });
    await eventually("the message", () => reply.messages.length === 1);
    expect([reply.status, reply.ended]).toEqual([200, false]);
  });

  it("that are no messages are passed over, and so is an id that stands there twice", async () => {
    const upstream = scripted("garbage", attentive);
    const session = await begin(upstream);
    const lines = [
      "garbage",
      "",
      "[]",
      "7",
      '{"jsonrpc":"2.0"}',
      '{"jsonrpc":"2.0","id":1,"id":1,"result":{}}',
      note(1),
    ];
    const { reply } = ask(upstream, call(1, "say", { args: { lines } }), { session });
    await eventually("the one message", () => reply.messages.length > 0);
    expect(reply.messages).toEqual([JSON.parse(note(1))]);
  });
});

describe("bounds", () => {
  it("of sessions: the next one is refused, and one more is possible when one has ended", async () => {
    const upstream = started("few", { ...scripts.server("few", attentive), maxSessions: 1 });
    const session = await begin(upstream);
    const { reply } = ask(upstream, initialize());
    expect(reply.failures).toMatchObject([{ error: { code: "exhausted" }, reached: false }]);
    ask(upstream, undefined, { method: "DELETE", session });
    await eventually("a free place", () => {
      const next = ask(upstream, initialize());
      return next.reply.failures.length === 0;
    });
  });

  it("of requests in flight", async () => {
    const upstream = scripted("busy", attentive, { limits: { maxInFlight: 2 } });
    const session = await begin(upstream);
    for (const id of [1, 2]) ask(upstream, call(id, "never"), { session });
    const { reply } = ask(upstream, call(3, "pid"), { session });
    expect(reply.failures).toMatchObject([{ error: { code: "exhausted" }, reached: false }]);
  });

  it("of what a server leaves unread", async () => {
    const upstream = scripted(
      "deaf",
      'process.stdin.once("data", (d) => { hello(JSON.parse(d).id); process.stdin.pause(); }); setInterval(() => {}, 1000);',
      { limits: { maxInputBytes: 200_000 } },
    );
    const session = await begin(upstream);
    const replies = [1, 2, 3, 4, 5].map(
      (id) => ask(upstream, call(id, "x", { args: { text: "z".repeat(90_000) } }), { session }).reply,
    );
    expect(replies.at(-1)?.failures).toMatchObject([{ error: { code: "unavailable" }, reached: false }]);
  });

  it("of an agent that does not read: the server waits, and goes on with it", async () => {
    const written = scripts.path("flood.written");
    const upstream = scripted(
      "flood",
      `import { writeFileSync } from "node:fs";
       serve((m) => {
         if (m.method === "initialize") return hello(m.id);
         if (m.id === undefined) return;
         let progress = 0;
         const go = () => {
           while (progress < 2_000)
             if (!say({ method: "notifications/progress", params: { progressToken: "t", progress: progress++, message: "x".repeat(1_000) } }))
               return process.stdout.once("drain", go);
           writeFileSync(${JSON.stringify(written)}, "all");
           text(m.id, "done");
         };
         go();
       });`,
    );
    const session = await begin(upstream);
    const waiting = ask(upstream, call(1, "flood", { token: "t" }), { session });
    waiting.reply.keepsUp = false;
    await eventually("the first", () => waiting.reply.messages.length > 0);
    for (const name of ["one", "two", "three"]) await begin(scripted(name, attentive)); // time to write all, were it read
    expect([waiting.reply.messages.length, existsSync(written)]).toEqual([1, false]);
    waiting.reply.keepsUp = true;
    waiting.resume();
    await eventually("the rest", () => waiting.reply.ended);
    expect([waiting.reply.messages.length, existsSync(written)]).toEqual([2_001, true]);
  });
});

it("a batch of the 2025-03-26 revision goes message by message, and every answer comes back", async () => {
  const upstream = scripted("batch", attentive);
  const session = await begin(upstream);
  const { reply } = ask(upstream, [call(1, "pid"), { jsonrpc: "2.0", method: "note" }, call(2, "told")], {
    session,
  });
  await eventually("the answers", () => reply.ended);
  expect(reply.messages.map(({ id }) => id)).toEqual([1, 2]);
  expect(reply.messages[1]).toMatchObject({
    result: {
      content: [{ text: expect.stringContaining('{\\"jsonrpc\\":\\"2.0\\",\\"method\\":\\"note\\"}') }],
    },
  });
});
