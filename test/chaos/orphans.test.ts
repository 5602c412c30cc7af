import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoPlan, type Stack, startStack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, requestOn, textOf, toolCall } from "../e2e/call.fixture.ts";
import { restartBroker } from "./chaos.fixture.ts";

// A session of `tickets` runs as a process of the connector, on a database user that Vault made for it alone. However the
// session comes to its end, that user must not be able to log in 60 s later.
afterAll(leakCheck);
let stack: Stack;
let dir: string;
let token: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sallyport-orphans-"));
  stack = await startStack({
    dir,
    syncAudit: false,
    ...demoPlan({ ordersUrl: "http://127.0.0.1:9/mcp", ordersToken: "orders-key-123" }),
  });
  token = await stack.token("tickets");
}, 120_000);
afterAll(async () => {
  await stack?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** The database users that Vault made and that can still log in. */
async function liveUsers(): Promise<string[]> {
  const sql =
    "select rolname from pg_roles where rolname like 'v-%' and rolcanlogin and rolvaliduntil > now()";
  return ((await stack.postgres?.query(sql)) ?? []).map((row) => String(row.rolname));
}

/** An MCP session, its first call made: the process runs and the user is there. */
async function startSession(): Promise<{ id: string }> {
  const to = { server: "tickets", token };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  const initialize = {
    headers: {},
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }),
  };
  const opened = await ask(stack, to, initialize);
  expect([opened.status, opened.message.error]).toEqual([200, undefined]);
  const id = opened.headers.get("mcp-session-id") ?? "";
  const headers = { "mcp-session-id": id, "mcp-protocol-version": "2025-11-25" };
  await ask(stack, to, {
    headers,
    body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }),
  });
  const listed = await ask(stack, to, { ...requestOn("2025-11-25", "tools/list"), headers });
  const tool =
    listed.message.result?.tools?.find(({ name }) => name.startsWith("execute_sql"))?.name ?? "execute_sql";
  const call = toolCall("2025-11-25", tool, { sql: "select subject from tickets order by id" });
  expect(textOf(await ask(stack, to, { ...call, headers }))).toContain("missing cog");
  expect(await liveUsers()).toHaveLength(1);
  return { id };
}

const boundMs = 60_000;

async function nobodyIsLeft(since: number): Promise<void> {
  await until("the database user's end", async () => (await liveUsers()).length === 0, {
    within: boundMs,
    every: 250,
  });
  expect(Date.now() - since).toBeLessThan(boundMs);
}

describe("a database user does not outlive its session by more than 60 s", () => {
  it("when the session is ended in order: then it is gone at once", { timeout: 60_000 }, async () => {
    const { id } = await startSession();
    await ask(stack, { server: "tickets", token, method: "DELETE" }, { headers: { "mcp-session-id": id } });
    await until("its end", async () => (await liveUsers()).length === 0, { within: 5_000 });
  });

  it("when the connector is killed, and nobody starts it again", { timeout: 120_000 }, async () => {
    await startSession();
    const connector = stack.zones.get("connector-connector-1");
    const killed = Date.now();
    await connector?.kill();
    await nobodyIsLeft(killed);
    await connector?.restart();
    await until("the next session", () => startSession().then(({ id }) => end(id)), {
      within: 20_000,
      every: 500,
    });
  });

  it("when the broker is killed and the session ends without it", { timeout: 120_000 }, async () => {
    const { id } = await startSession();
    await stack.zones.get("broker-broker-1")?.kill();
    const ended = Date.now();
    await end(id);
    await nobodyIsLeft(ended);
    await restartBroker(stack);
    await until("the next session", () => startSession().then(({ id }) => end(id)), {
      within: 20_000,
      every: 500,
    });
  });
});

async function end(id: string): Promise<true> {
  await ask(stack, { server: "tickets", token, method: "DELETE" }, { headers: { "mcp-session-id": id } });
  return true;
}
