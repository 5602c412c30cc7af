import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoPlan, type Stack, startStack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, type Reply, requestOn, textOf, toolCall } from "../e2e/call.fixture.ts";
import { restartBroker } from "./chaos.fixture.ts";

// A session of `tickets` runs as a process of the connector, on a database user that Vault made for it alone. However the
// session comes to its end, that user must not be able to log in 60 s later.
afterAll(leakCheck);
interface Site {
  stack: Stack;
  token: string;
}
let site: Site;
/** What becomes of another site, where nobody is left to end anything: the longest wait runs beside the others. */
let deserted: Promise<Deserted>;
const folders: string[] = [];
const started: Stack[] = [];
beforeAll(async () => {
  const [first, second] = await Promise.all([startSite(), startSite()]);
  site = first;
  deserted = desert(second);
  deserted.catch(() => undefined); // told by its own test
}, 120_000);
afterAll(async () => {
  for (const stack of started) await stack.stop();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function startSite(): Promise<Site> {
  const dir = await mkdtemp(join(tmpdir(), "sallyport-orphans-"));
  folders.push(dir);
  const stack = await startStack({
    dir,
    syncAudit: false,
    ...demoPlan({ ordersUrl: "http://127.0.0.1:9/mcp", ordersToken: "orders-key-123" }),
  });
  started.push(stack);
  return { stack, token: await stack.token("tickets") };
}

/** The database users that Vault made and that can still log in. */
async function liveUsers({ stack } = site): Promise<string[]> {
  const sql =
    "select rolname from pg_roles where rolname like 'v-%' and rolcanlogin and rolvaliduntil > now()";
  return ((await stack.postgres?.query(sql)) ?? []).map((row) => String(row.rolname));
}

/** An MCP session, its first call made: the process runs and the user is there. */
async function startSession({ stack, token } = site): Promise<Session> {
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
  const query = (sql: string) => ask(stack, to, { ...toolCall("2025-11-25", tool, { sql }), headers });
  expect(textOf(await query("select subject from tickets order by id"))).toContain("missing cog");
  return { id, query };
}

interface Session {
  id: string;
  query(sql: string): Promise<Reply>;
}

const boundMs = 60_000;

async function nobodyIsLeft(since: number, of = site): Promise<void> {
  await until("the database user's end", async () => (await liveUsers(of)).length === 0, {
    within: boundMs,
    every: 250,
  });
  expect(Date.now() - since).toBeLessThan(boundMs);
}

interface Deserted {
  /** How many users could log in when the two were killed. */
  users: number;
  /** Who is still connected to the database in the name of one of them. */
  connected: unknown[];
}

/** Connector and broker killed together: while one session's call runs, and while others are about to get their users. */
async function desert(other: Site): Promise<Deserted> {
  const { stack } = other;
  const session = await startSession(other);
  const calls = [session.query("select pg_sleep(5)"), startSession(other), startSession(other)];
  const sleeping = "select 1 from pg_stat_activity where usename like 'v-%' and query like '%pg_sleep%'";
  await until("the call at the database", async () => (await stack.postgres?.query(sleeping))?.length, {
    within: 10_000,
  });
  const users = (await liveUsers(other)).length;
  const killed = Date.now();
  await Promise.all(
    ["connector-connector-1", "broker-broker-1"].map((zone) => stack.zones.get(zone)?.kill()),
  );
  await Promise.allSettled(calls);
  await nobodyIsLeft(killed, other);
  const named = "select usename from pg_stat_activity where usename like 'v-%'";
  return { users, connected: (await stack.postgres?.query(named)) ?? [] };
}

describe("a database user does not outlive its session by more than 60 s", () => {
  it("when the session is ended in order: then it is gone at once", { timeout: 60_000 }, async () => {
    const { id } = await startSession();
    expect(await liveUsers()).toHaveLength(1);
    await end(id);
    await until("its end", async () => (await liveUsers()).length === 0, { within: 5_000 });
  });

  it("when the connector is killed, and nobody starts it again", { timeout: 120_000 }, async () => {
    await startSession();
    expect(await liveUsers()).toHaveLength(1);
    const connector = site.stack.zones.get("connector-connector-1");
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
    expect(await liveUsers()).toHaveLength(1);
    await site.stack.zones.get("broker-broker-1")?.kill();
    const ended = Date.now();
    await end(id);
    await nobodyIsLeft(ended);
    await restartBroker(site.stack);
    await until("the next session", () => startSession().then(({ id }) => end(id)), {
      within: 20_000,
      every: 500,
    });
  });

  it("when connector and broker are killed together, in the middle of calls", {
    timeout: 120_000,
  }, async () => {
    const { users, connected } = await deserted;
    expect(users).toBeGreaterThan(0);
    expect(connected).toEqual([]);
  });
});

async function end(id: string): Promise<true> {
  const { stack, token } = site;
  await ask(stack, { server: "tickets", token, method: "DELETE" }, { headers: { "mcp-session-id": id } });
  return true;
}
