import { writeFile } from "node:fs/promises";
import { until } from "@sallyport/testkit";
import { afterEach, expect, test } from "vitest";
import { startWorld, textOf, type World, type WorldOptions } from "./environment.fixture.ts";

const within = 15_000;
const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function start(options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(options);
  worlds.push(world);
  return world;
}

const posted = ({ api }: World) => api.requests.filter(({ operation }) => operation === "result").length;

test("a session's calls run in one sandbox, and its item is stopped when its turn has been over for a while", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  await world.serve();
  const first = session.toolUse("bash", { command: "X=kept; echo one; printf data >f.txt" });
  expect(textOf(await until("a result", () => session.answerOf(first), { within }))).toContain("one");
  const second = session.toolUse("bash", { command: "echo $X; cat f.txt" });
  expect(textOf(await until("a result", () => session.answerOf(second), { within }))).toContain("kept\ndata");
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  expect(world.sandboxes.map(({ closed }) => closed)).toEqual([true]);
  expect(world.api.violations).toEqual([]);
});

test("the environment key is used until the ack, the item's own token after it", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  await world.serve();
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  const by = (credential: string) => [
    ...new Set(world.api.requests.filter((one) => one.credential === credential).map((one) => one.operation)),
  ];
  expect(by("environment")).toEqual(["poll", "ack"]);
  expect(by("item")).toEqual(["heartbeat", "session", "stream", "history", "stop"]);
  expect(world.logged.join("\n")).not.toContain(world.api.key);
});

test("an item without a secret is served with the environment key", async () => {
  const world = await start({ withoutSecrets: true });
  const { session, item } = world.api.addSession();
  await world.serve();
  const call = session.toolUse("bash", { command: "echo hello" });
  await until("a result", () => session.answerOf(call), { within });
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  expect(world.api.violations).toEqual([]);
});

test("what is cut anywhere, comes twice or is answered in the history is run once, in its order", async () => {
  const world = await start({ pageSize: 1 });
  world.api.wire = { cutBytes: 1, times: 2, lineEnd: "\r" };
  const { session, item } = world.api.addSession();
  const done = session.toolUse("bash", { command: "echo not again" });
  session.emit("user.tool_result", {
    tool_use_id: done,
    is_error: false,
    content: [{ type: "text", text: "x" }],
  });
  const open = session.toolUse("bash", { command: "echo open" });
  await world.serve();
  // An answer before this worker: its sandbox is gone, and the first call is told so.
  expect(textOf(await until("a result", () => session.answerOf(open), { within }))).toContain("is gone");
  const calls = Array.from({ length: 5 }, (_, n) =>
    session.toolUse("bash", { command: `echo ${n} >>log; wc -l <log` }),
  );
  for (const [n, id] of calls.entries())
    expect(textOf(await until("a result", () => session.answerOf(id), { within }))).toContain(String(n + 1));
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  expect(posted(world)).toBe(6);
  expect(world.api.violations).toEqual([]);
});

test("a stream that breaks is opened again, and what was asked meanwhile is found in the history", async () => {
  const world = await start();
  const { session } = world.api.addSession();
  await world.serve();
  await until("a stream", () => session.streams === 1, { within });
  world.api.fail("stream", 503, "drop");
  session.cut();
  const call = session.toolUse("bash", { command: "echo found" });
  expect(textOf(await until("a result", () => session.answerOf(call), { within }))).toContain("found");
  expect(world.api.violations).toEqual([]);
});

test("a history that cannot be read lets nothing run: the call may have been answered", async () => {
  const world = await start();
  const { session } = world.api.addSession();
  world.api.fail("history", 500, 500, 500, "garbage", "garbage", "garbage");
  const call = session.toolUse("bash", { command: "echo once" });
  await world.serve();
  await until("a result", () => session.answerOf(call), { within });
  const order = world.api.requests.map(({ operation }) => operation);
  expect(order.filter((one) => one === "history").length).toBeGreaterThanOrEqual(7);
  expect(posted(world)).toBe(1);
}, 40_000);

test("a call that needs a confirmation waits for it; denied ones are never run and nothing is posted", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  await world.serve();
  const ask = session.toolUse("bash", { command: "echo asked" }, { evaluated_permission: "ask" });
  const denied = session.toolUse("bash", { command: "echo denied" }, { evaluated_permission: "deny" });
  const odd = session.toolUse("bash", { command: "echo odd" }, { evaluated_permission: "someday" });
  const plain = session.toolUse("bash", { command: "echo plain" }, { evaluated_permission: "allow" });
  await until("a result", () => session.answerOf(plain), { within });
  session.idle("requires_action", { event_ids: [ask, odd] });
  session.confirm(odd, "perhaps");
  session.confirm(denied, "allow");
  session.confirm(ask, "allow");
  expect(textOf(await until("a result", () => session.answerOf(ask), { within }))).toContain("asked");
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  expect([session.answerOf(denied), session.answerOf(odd)]).toEqual([undefined, undefined]);
  expect(world.api.violations).toEqual([]);
});

test("a held call keeps the session: its verdict may come long after the turn", async () => {
  const world = await start({ maxIdle: 100 });
  const { session, item } = world.api.addSession();
  await world.serve();
  const held = session.toolUse("bash", { command: "echo late" }, { evaluated_permission: "ask" });
  session.idle();
  await until("a stream", () => session.streams === 1, { within });
  // Longer than the idle limit, seen from the next call.
  const other = session.toolUse("bash", { command: "sleep 0.4; echo slept" });
  await until("a result", () => session.answerOf(other), { within });
  session.idle();
  expect(item.state).toBe("active");
  session.confirm(held, "allow");
  await until("a result", () => session.answerOf(held), { within });
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
});

test("a dead thread's calls are dropped; another worker's tools and MCP calls are left alone", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  session.emit("session.thread_status_terminated", { session_thread_id: "sthr_1" });
  const dead = session.toolUse("bash", { command: "echo dead" }, { session_thread_id: "sthr_1" });
  const others = session.emit("agent.custom_tool_use", { name: "book_flight", input: {} }).id;
  session.emit("agent.mcp_tool_use", { name: "bash", input: { command: "echo mcp" }, server_name: "x" });
  const custom = session.emit("agent.custom_tool_use", { name: "list_processes", input: {} }).id;
  await world.serve();
  const result = await until("a result", () => session.answerOf(custom), { within });
  expect(result.type).toBe("user.custom_tool_result");
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  expect([session.answerOf(dead), session.answerOf(others)]).toEqual([undefined, undefined]);
  expect(world.api.violations).toEqual([]);
});

test("a refused call is a result that says which rule, is on record, and has run nothing", async () => {
  const policy = `
    @id("all") permit(principal, action == Action::"sandbox/exec", resource);
    @id("no-rm") @reason("nothing is deleted here")
    forbid(principal, action == Action::"sandbox/exec", resource == Tool::"default/bash")
    when { context.arguments has command && context.arguments.command like "*rm *" };`;
  const world = await start({ policy });
  const { session } = world.api.addSession();
  await world.serve();
  const call = session.toolUse("bash", { command: "rm -rf x; touch ran" });
  const result = await until("a result", () => session.answerOf(call), { within });
  expect([result.is_error, textOf(result)]).toEqual([
    true,
    'Denied by policy rule "no-rm": nothing is deleted here',
  ]);
  expect(world.sandboxes).toEqual([]);
  expect(world.records).toMatchObject([
    {
      kind: "decision",
      action: "sandbox/exec",
      target: "bash",
      allow: false,
      rule: "no-rm",
      agent: world.api.environment,
    },
  ]);
});

test("a call is on record before it runs, and its end after it", async () => {
  const world = await start();
  const { session } = world.api.addSession();
  await world.serve();
  const call = session.toolUse("bash", { command: "exit 3" });
  const result = await until("a result", () => session.answerOf(call), { within });
  expect(result.is_error).toBe(true);
  await until("the end on record", () => world.records.length === 3, { within });
  expect(world.records).toMatchObject([
    { kind: "decision", allow: true, rule: "all" },
    { kind: "upstream", event: "start", exchange: call, method: "sandbox/exec", target: "bash" },
    { kind: "upstream", event: "end", outcome: "tool_error" },
  ]);
  expect(JSON.stringify(world.records)).not.toContain("exit 3");
});

test("the trace of the item's metadata goes on: its calls are on record under it", async () => {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const world = await start();
  const { session } = world.api.addSession({ traceparent: `00-${trace}-b7ad6b7169203331-01` });
  await world.serve();
  const call = session.toolUse("bash", { command: "true" });
  await until("a result", () => session.answerOf(call), { within });
  expect(world.records.map(({ traceId }) => traceId).slice(0, 2)).toEqual([trace, trace]);
});

test("without a record nothing runs", async () => {
  const world = await start({ auditFails: true });
  const { session } = world.api.addSession();
  await world.serve();
  const call = session.toolUse("bash", { command: "echo x" });
  const result = await until("a result", () => session.answerOf(call), { within });
  expect([result.is_error, textOf(result)]).toEqual([
    true,
    expect.stringContaining("the audit log cannot take"),
  ]);
  expect(world.sandboxes).toEqual([]);
});

test("a secret in what a tool says is replaced before it leaves", async () => {
  const value = "correct-horse-battery";
  const world = await start({ secrets: [{ name: "orders-api", value: Buffer.from(value) }] });
  const { session } = world.api.addSession();
  await world.serve();
  const call = session.toolUse("bash", { command: `echo ${value}; echo -n ${value} | base64` });
  const result = await until("a result", () => session.answerOf(call), { within });
  expect(textOf(result)).toContain("[redacted:orders-api]");
  const bodies = world.api.requests.map(({ body }) => body).join();
  expect(bodies).not.toContain(value);
  expect(bodies).not.toContain(Buffer.from(value).toString("base64"));
});

test("a result is posted again until it is taken, and not again where only the answer was lost", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  world.api.fail("result", 503, 409, "drop", "lose");
  await world.serve();
  const call = session.toolUse("bash", { command: "echo again" });
  await until("a result", () => session.answerOf(call), { within: 25_000 });
  session.idle();
  await until("the stop", () => item.state === "stopped", { within });
  expect(posted(world)).toBe(4);
  expect(world.api.violations).toEqual([]);
}, 60_000);

test("a result that the API refuses becomes one that says so: the session does not wait for ever", async () => {
  const world = await start();
  const { session } = world.api.addSession();
  world.api.fail("result", 400);
  await world.serve();
  const call = session.toolUse("bash", { command: "echo x" });
  const result = await until("a result", () => session.answerOf(call), { within });
  expect([result.is_error, textOf(result)]).toEqual([true, expect.stringContaining("refused by the API")]);
});

test("no sandbox, and one that dies in between, are told in the session", async () => {
  const none = await start({ noSandbox: true });
  const one = none.api.addSession();
  await none.serve();
  const call = one.session.toolUse("bash", { command: "echo x" });
  const result = await until("a result", () => one.session.answerOf(call), { within });
  expect([result.is_error, textOf(result)]).toEqual([
    true,
    expect.stringContaining("no sandbox can be made"),
  ]);

  const world = await start();
  const { session } = world.api.addSession();
  await world.serve();
  const before = session.toolUse("bash", { command: "touch here" });
  await until("a result", () => session.answerOf(before), { within });
  world.sandboxes[0]?.process.kill("SIGKILL");
  await until("its end", () => world.sandboxes[0]?.process.signalCode !== null, { within });
  const lost = session.toolUse("bash", { command: "ls" });
  expect(textOf(await until("a result", () => session.answerOf(lost), { within }))).toContain("is gone");
  const fresh = session.toolUse("bash", { command: "ls | wc -l" });
  expect(textOf(await until("a result", () => session.answerOf(fresh), { within }))).toContain("0");
  expect(world.sandboxes.map(({ closed }) => closed)).toEqual([true, false]);
});

test("a tool that takes too long is stopped and told", async () => {
  const world = await start({ toolTime: 300 });
  const { session } = world.api.addSession();
  await world.serve();
  const call = session.toolUse("bash", { command: "sleep 60" });
  const result = await until("a result", () => session.answerOf(call), { within });
  expect([result.is_error, textOf(result)]).toEqual([true, expect.stringContaining("300 ms")]);
});

test("a healthcheck is acknowledged and stopped, and no session is asked for", async () => {
  const world = await start();
  const item = world.api.addItem({ type: "healthcheck", id: "hc_1" });
  await world.serve();
  await until("the stop", () => item.state === "stopped", { within });
  const asked = world.api.requests.map(({ operation }) => operation).filter((one) => one !== "poll");
  expect(asked).toEqual(["ack", "stop"]);
});

test("a terminated session is not run, and one that ends is left at once", async () => {
  const world = await start({ maxIdle: 60_000 });
  const over = world.api.addSession();
  over.session.status = "terminated";
  over.session.toolUse("bash", { command: "echo x" });
  const { session, item } = world.api.addSession();
  await world.serve();
  await until("the stop", () => over.item.state === "stopped", { within });
  await until("a stream", () => session.streams === 1, { within });
  session.toolUse("bash", { command: "sleep 60" });
  await until("a sandbox", () => world.sandboxes.length === 1, { within });
  session.terminate();
  await until("the stop", () => item.state === "stopped", { within });
  expect(posted(world)).toBe(0);
});

test("an item that cannot be acknowledged is let be, and the next one is taken", async () => {
  const world = await start({ reclaimMs: 60_000 });
  world.api.fail("ack", 404);
  const first = world.api.addSession();
  const item = world.api.addItem({ type: "healthcheck", id: "hc_1" });
  await world.serve();
  await until("the stop", () => item.state === "stopped", { within });
  expect(first.item.state).toBe("queued");
});

test.each([401, 403, 404])(
  "a poll that is answered with %i ends the polling, and says so",
  async (status) => {
    const world = await start();
    world.api.fail("poll", status);
    const environment = await world.serve();
    await until("the problem", () => environment.problem()?.includes("is off"), { within });
    expect(environment.problem()).toContain(`answered ${status}`);
    const asked = world.api.requests.length;
    world.api.addItem({ type: "healthcheck", id: "hc_1" });
    await environment.close();
    expect(world.api.requests.length).toBe(asked);
  },
);

test("a poll that fails in passing is made again, later and later", async () => {
  const world = await start();
  world.api.fail("poll", 503, "garbage", "drop");
  const item = world.api.addItem({ type: "healthcheck", id: "hc_1" });
  const environment = await world.serve();
  await until("the problem", () => environment.problem()?.includes("cannot be asked"), { within });
  await until("the stop", () => item.state === "stopped", { within: 20_000 });
  expect(environment.problem()).toBeUndefined();
  const [a = 0, b = 0, c = 0] = world.api.requests.map(({ at }) => at);
  expect(b - a).toBeGreaterThan(700);
  expect(c - b).toBeGreaterThan(1_400);
}, 40_000);

test("a redirect is not followed: the key stays where it was meant to go", async () => {
  const world = await start();
  world.api.fail("poll", "redirect");
  const environment = await world.serve();
  await until("the problem", () => environment.problem()?.includes("redirect"), { within });
});

test("a key file that others can read is not used", async () => {
  const world = await start({ keyMode: 0o644 });
  const environment = await world.serve();
  await until("the problem", () => environment.problem()?.includes("key file"), { within });
  expect(world.api.requests).toEqual([]);
});

test("a rotated key is used at the next call", async () => {
  const world = await start();
  world.api.fail("poll", 503);
  const environment = await world.serve();
  await until("a poll", () => world.api.requests.length === 1, { within });
  await writeFile(world.keyFile, "sk-ant-oat01-rotated");
  await until("the problem", () => environment.problem()?.includes("401"), { within });
  expect(world.api.requests.map(({ credential }) => credential)).toEqual(["environment", "unknown"]);
});

test("closing lets the call that runs end and be posted, and leaves the session to the queue", async () => {
  const world = await start();
  const { session, item } = world.api.addSession();
  const environment = await world.serve();
  await until("a stream", () => session.streams === 1, { within });
  const call = session.toolUse("bash", { command: "sleep 0.5; echo done" });
  const next = session.toolUse("bash", { command: "echo never here" });
  await until("a sandbox", () => world.sandboxes.length === 1, { within });
  await environment.close();
  expect(textOf(session.answerOf(call))).toContain("done");
  expect(session.answerOf(next)).toBeUndefined();
  expect(item.state).toBe("active");
  expect(world.sandboxes.map(({ closed }) => closed)).toEqual([true]);
});

test("a call that outlives the drain is broken off", async () => {
  const world = await start({ drain: 200 });
  const { session } = world.api.addSession();
  const environment = await world.serve();
  session.toolUse("bash", { command: "sleep 60" });
  await until("a sandbox", () => world.sandboxes.length === 1, { within });
  await environment.close();
  expect(posted(world)).toBe(0);
  expect(world.sandboxes.map(({ closed }) => closed)).toEqual([true]);
});
