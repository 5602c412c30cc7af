import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Entry, openBucket, readLog } from "@sallyport/bus";
import { auditLog, leaseLedger, revocations } from "@sallyport/contracts";
import { until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  type Stack,
  startBroker,
  startStack,
  type TestBroker,
  testConnector,
  vaultTtlMs,
} from "./broker.fixture.ts";
import type { Lease } from "./lease-ledger.ts";

let stack: Stack;
let c1: ReturnType<typeof testConnector>;
let c2: ReturnType<typeof testConnector>;
let broker: TestBroker;
let others: TestBroker[] = [];
let session = "";
let tests = 0;

beforeAll(async () => {
  stack = await startStack();
  c1 = testConnector(stack, await stack.join({ zone: "connector", instance: "c1" }));
  c2 = testConnector(stack, await stack.join({ zone: "connector", instance: "c2" }), "c2");
  broker = await startBroker(stack);
  readRecords().catch((thrown: unknown) => recorded.push({ unreadable: String(thrown) }));
});
afterAll(async () => {
  reading.abort();
  await broker.crash();
  await stack.close();
});
afterEach(async () => {
  await Promise.all(others.map((one) => one.crash()));
  others = [];
});
/** Each test has a session of its own, and so leases of its own. */
function ownSession(): string {
  tests += 1;
  session = `session-${tests}`;
  return session;
}
async function another(options: Parameters<typeof startBroker>[1]): Promise<TestBroker> {
  const started = await startBroker(stack, options);
  others.push(started);
  return started;
}
/** Requests that reached Vault for a credential. */
async function mints(): Promise<number> {
  const log = await readFile(stack.vault.bao.auditFile, "utf8");
  return log.match(/"path":"(database\/creds|secret\/data)\//g)?.length ?? 0;
}
/** What is in the audit log, as the collector reads it. */
const recorded: Record<string, unknown>[] = [];
const reading = new AbortController();
async function readRecords(): Promise<void> {
  const collector = await stack.join({ zone: "collector", instance: "k1" });
  for await (const { bytes } of readLog(collector, auditLog, { follow: true, signal: reading.signal })) {
    for (const line of Buffer.from(bytes).toString().trim().split("\n")) recorded.push(JSON.parse(line));
  }
}
async function inLedger(leaseId: string) {
  const entries = new Map<string, Entry<Lease>>();
  const ledger = await openBucket(broker.bus, leaseLedger);
  const watch = await ledger.watch((key, entry) => {
    if (entry === undefined) entries.delete(key);
    else entries.set(key, entry);
  });
  await watch.close();
  return [...entries.values()].find((entry) => entry.value.leaseId === leaseId);
}
const mine = () => recorded.filter((record) => record.session === session);
async function recordsOfSession(...events: string[]): Promise<Record<string, unknown>[]> {
  await until(`${events} in the audit log`, () => mine().length >= events.length, { within: 10_000 });
  expect(mine().map((record) => record.event)).toEqual(events);
  return mine();
}
/** When PostgreSQL stops letting this user in, unless Vault renews its lease before. Undefined for one that is gone. */
async function endOf(user: string): Promise<number | undefined> {
  const sql = `select extract(epoch from rolvaliduntil) * 1000 as ends from pg_roles where rolname = '${user}'`;
  const [row] = await stack.postgres.query(sql);
  return row && Number(row.ends);
}
/**
 * Claims the session until its user has lived on beyond the end that it had at first, and has another TTL before it. Vault
 * renews nothing that has ended once: the user could log in all that time.
 */
async function outlivesVaultsTtl(username: string): Promise<void> {
  const first = await endOf(username);
  if (first === undefined) throw new Error(`there is no user ${username}`);
  const renewed = async () => {
    await c1.claim([session]);
    return ((await endOf(username)) ?? 0) >= first + vaultTtlMs;
  };
  await until("the user's life beyond its first end", renewed, { within: 10_000, every: 333 });
  expect(await canLogIn(username)).toBe(true);
}
/** With another broker in the place of the usual one. */
async function withBroker(
  options: Parameters<typeof startBroker>[1],
  work: () => Promise<void>,
): Promise<void> {
  await broker.crash();
  broker = await startBroker(stack, options);
  try {
    await work();
  } finally {
    await broker.crash();
    broker = await startBroker(stack);
  }
}
const canLogIn = async (user: string) => (await stack.databaseUsers()).includes(user);

test("a static credential comes sealed to the connector's enrolled key, and opens for this lease only", async () => {
  const lease = await c1.lease({ credential: "crm-token", session: ownSession() });
  expect(await lease.open()).toEqual({ value: "crm-token-value-1" });
  expect(lease.sealed).not.toContain("crm-token-value-1");
  await expect(lease.open(stack.connectorKeys.c2.privateKey)).rejects.toThrow();
  await expect(lease.open(stack.connectorKeys.c1.privateKey, "another purpose")).rejects.toThrow();
  const seconds = (Date.parse(lease.expiresAt) - Date.now()) / 1000;
  expect(seconds).toBeGreaterThan(50);
  expect(seconds).toBeLessThanOrEqual(60);
});

test("a database credential is a new user, claimed it outlives Vault's TTL, released it is dropped", async () => {
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "", value } = await lease.open();
  expect(value.length).toBeGreaterThan(10);
  expect(await c1.claim([session])).toEqual({ livenessSeconds: 2 });
  await outlivesVaultsTtl(username);
  expect(await c1.release(session)).toEqual({ released: 1 });
  expect(await canLogIn(username)).toBe(false);
  expect(await c1.release(session)).toEqual({ released: 0 });
});

test("the user of a session that nobody claims is dropped", async () => {
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await lease.open();
  expect(await canLogIn(username)).toBe(true);
  await until("the user's end", async () => !(await canLogIn(username)), { within: 3_500 });
  await until("the ledger's", async () => (await inLedger(lease.leaseId)) === undefined, { within: 1_000 });
});

test("a connector cannot have its lease forgotten by an acknowledgement that it aims at the ledger", async () => {
  const connector = await stack.join({ zone: "connector", instance: "c1" });
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await lease.open();
  const entry = await inLedger(lease.leaseId);
  expect(entry?.key).not.toContain(lease.leaseId);
  // NATS does not check reply subjects: JetStream stores its acknowledgement at this key.
  connector.nats.publish("audit.v1.connector.c1", "{}", { reply: `$KV.leases.${lease.leaseId}` });
  const ledger = await openBucket(broker.bus, leaseLedger);
  const forged = () => ledger.get(lease.leaseId).catch((thrown: unknown) => thrown);
  await until("the forged entry", async () => (await forged()) instanceof Error, { within: 2_000 });
  expect(await inLedger(lease.leaseId)).toEqual(entry);
  await c1.release(session);
  expect(await canLogIn(username)).toBe(false);
  await ledger.delete(lease.leaseId);
});

test("a connector can neither claim nor release what another one leased", async () => {
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await lease.open();
  expect(await c2.release(session)).toEqual({ released: 0 });
  expect(await canLogIn(username)).toBe(true);
  const before = await inLedger(lease.leaseId);
  expect(before).toBeDefined();
  await c2.claim([session]);
  expect(await inLedger(lease.leaseId)).toEqual(before);
  await c1.release(session);
});

test("a killed broker's leases are renewed by the next one, without a new lease", async () => {
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await lease.open();
  await broker.crash();
  broker = await startBroker(stack, { instance: "b2" });
  await outlivesVaultsTtl(username);
  expect(await c1.release(session)).toEqual({ released: 1 });
});

test("with every broker dead, Vault ends the user by itself", async () => {
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await lease.open();
  await broker.crash();
  try {
    await until("the user's end", async () => !(await canLogIn(username)), { within: 6_000 });
  } finally {
    broker = await startBroker(stack);
  }
});

test("two brokers keep the same lease without getting in each other's way", async () => {
  await another({ instance: "b3" });
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await lease.open();
  await outlivesVaultsTtl(username);
  await c1.release(session);
  expect(await canLogIn(username)).toBe(false);
});

test.each([
  ["for another connector", { connector: "c2" }, {}],
  ["bound to another seal session", { session: "seal-2" }, {}],
  ["that has ended", { issuedAt: new Date(Date.now() - 400_000) }, {}],
  ["of another tenant", { tenant: "other" }, {}],
  ["of an edge that is not enrolled", { edge: "e2" }, {}],
  ["signed with another key", {}, { by: generateKeyPairSync("ed25519").privateKey }],
])(
  "a grant %s is refused, recorded, and never reaches Vault",
  async (_, about, { by }: { by?: KeyObject }) => {
    const before = await mints();
    const grant = await stack.grant(about, by);
    await expect(c1.lease({ credential: "orders-db", session: ownSession(), grant })).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect(await mints()).toBe(before);
    expect((await recordsOfSession("denied"))[0]?.reason).toContain("does not hold");
  },
);

test("what the rules do not allow is denied with the names of both, recorded, and never reaches Vault", async () => {
  const before = await mints();
  const grant = await stack.grant({ server: "crm" });
  await expect(c1.lease({ credential: "orders-db", session: ownSession(), grant })).rejects.toMatchObject({
    code: "denied",
    message: "no lease rule lets server crm use credential orders-db",
  });
  expect(await mints()).toBe(before);
  expect(await recordsOfSession("denied")).toMatchObject([{ agent: "billing-bot", reason: "no-rule" }]);
});

test("a lease leaves a record before and after, a release one more", async () => {
  await c1.lease({ credential: "orders-db", session: ownSession() });
  await c1.release(session);
  const [requested] = await recordsOfSession("requested", "issued", "released");
  expect(requested).toMatchObject({
    agent: "billing-bot",
    server: "orders",
    credential: "orders-db",
    reason: "rule orders",
  });
});

test("without an acknowledged audit record no request reaches Vault", async () => {
  await withBroker({ auditStream: "ELSEWHERE" }, async () => {
    const before = await mints();
    await expect(c1.lease({ credential: "orders-db", session: ownSession() })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("could not be recorded"),
    });
    expect(await mints()).toBe(before);
  });
  expect((await c1.lease({ credential: "crm-token", session })).leaseId).toBeDefined();
});

test("a revocation of the agent ends its leases at once and lets it have no more", async () => {
  // The next sweep by time would come in a minute.
  await withBroker({ sweepEveryMs: 60_000 }, async () => {
    const grant = await stack.grant({ agent: "billing-rogue" });
    const lease = await c1.lease({ credential: "orders-db", session: ownSession(), grant });
    const { username = "" } = await lease.open();
    const operator = await stack.join({ zone: "operator", instance: "o1" });
    const list = await openBucket(operator, revocations);
    const until60s = new Date(Date.now() + 60_000).toISOString();
    await list.put("r1", { kind: "agent", value: "billing-rogue", until: until60s });
    await until("the user's end", async () => !(await canLogIn(username)), { within: 1_000 });
    await expect(c1.lease({ credential: "orders-db", session, grant })).rejects.toMatchObject({
      code: "denied",
      message: "this agent is revoked",
    });
  });
});

test("a connector whose enrolment is taken away loses its leases, and others keep theirs", async () => {
  const kept = await c2.lease({ credential: "orders-db", session: ownSession() });
  const { username: others = "" } = await kept.open();
  const { open } = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { username = "" } = await open();
  const file = join(stack.folder, "enrolments", "c1.json");
  const text = await readFile(file, "utf8");
  await rm(file);
  try {
    broker.hearOfEnrolments();
    // Not because nobody claims its session: that would be `released`.
    const records = await recordsOfSession("requested", "issued", "revoked");
    expect(records[2]).toMatchObject({ reason: "its enrolment revoked" });
    expect(await canLogIn(username)).toBe(false);
    expect(await canLogIn(others)).toBe(true);
    await expect(c1.lease({ credential: "orders-db", session })).rejects.toMatchObject({
      code: "denied",
      message: expect.stringContaining("is not enrolled"),
    });
  } finally {
    await writeFile(file, text);
    broker.hearOfEnrolments();
  }
});

test("a credential that Vault does not have is `unavailable`, and the others still work", async () => {
  await expect(c1.lease({ credential: "lost-token", session: ownSession() })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("credential lost-token: Vault has nothing at the path"),
  });
  expect((await c1.lease({ credential: "crm-token", session })).leaseId).toBeDefined();
});

test("a database role whose users would live too long is refused, and its user is dropped again", async () => {
  const before = await stack.databaseUsers();
  await expect(c1.lease({ credential: "slow-db", session: ownSession() })).rejects.toMatchObject({
    code: "unavailable",
  });
  expect(
    (await stack.databaseUsers()).filter((user) => user.includes("forgetful") && !before.includes(user)),
  ).toEqual([]);
});

test("a session that has as many leases as allowed gets no more, also in one burst", async () => {
  await withBroker({ limits: { leasesPerSession: 2, leasesPerConnector: 100 } }, async () => {
    ownSession();
    const asks = Array.from({ length: 6 }, () => c1.lease({ credential: "crm-token", session }));
    const outcomes = await Promise.allSettled(asks);
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled").length).toBeLessThanOrEqual(2);
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused[0]?.reason).toMatchObject({ code: "exhausted" });
  });
});

test("no secret is in the ledger, in an audit record, or in a reply", async () => {
  const lease = await c1.lease({ credential: "orders-db", session: ownSession() });
  const { value } = await lease.open();
  const ledger = JSON.stringify(await (await openBucket(broker.bus, leaseLedger)).entries());
  expect(ledger).toContain(lease.leaseId);
  const everything =
    ledger + JSON.stringify(await recordsOfSession("requested", "issued")) + JSON.stringify(lease);
  for (const secret of [value, "crm-token-value-1"]) expect(everything).not.toContain(secret);
  await c1.release(session);
});
