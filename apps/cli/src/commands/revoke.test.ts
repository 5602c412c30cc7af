import { openBucket } from "@sallyport/bus";
import { revocationKey, revocations } from "@sallyport/contracts";
import { tokenHash } from "@sallyport/grant";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lastEnds, type Revocation } from "../revocation.ts";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

const token = `eyJhbGciOiJFUzI1NiJ9.${Buffer.from('{"jti":"1"}').toString("base64url")}.c2lnbmF0dXJl`;

let relay: Relay;
let config: string;

beforeAll(async () => {
  relay = await startRelay();
  config = relay.config();
});
afterAll(() => relay.stop());

const revoke = (args: string[], input?: string) =>
  sallyport(["revoke", ...args, "--config", config], input === undefined ? {} : { input });

/** What a connector, as the user it is, finds in the bucket. */
async function found(kind: Revocation["kind"], value: string): Promise<Revocation[]> {
  const bus = await relay.bus({ zone: "connector", instance: crypto.randomUUID() });
  const entries = await (await openBucket(bus, revocations)).entries();
  return entries.map((entry) => entry.value).filter((one) => one.kind === kind && one.value === value);
}

test("an agent is revoked for a time and a reason, where every zone sees it", async () => {
  const { code, out, err } = await revoke(["agent", "client one", "--for", "2h", "--reason", "INC-42"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^revoked: agent "client one" until \d{4}-\S+Z\n$/);
  const [entry] = await found("agent", "client one");
  expect(entry).toMatchObject({ kind: "agent", value: "client one", reason: "INC-42" });
  const hours = (Date.parse(entry?.until ?? "") - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(1.9);
  expect(hours).toBeLessThanOrEqual(2);
});

test("revoking again for less leaves the longer one in force", async () => {
  await revoke(["server", "payroll", "--for", "5h", "--reason", "INC-1"]);
  const before = await found("server", "payroll");
  const { code, out } = await revoke(["server", "payroll", "--for", "1m", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(out).revoked).toMatchObject({ kind: "server", value: "payroll" });
  expect(await found("server", "payroll")).toEqual(expect.arrayContaining(before));
  const { revocations: listed } = JSON.parse((await revoke(["list", "--json"])).out);
  expect(listed.filter(({ value }: Revocation) => value === "payroll")).toEqual([
    { ...before[0], inForce: true },
  ]);
});

test("of several revocations of one thing, the one that ends last holds", () => {
  const short = { kind: "agent", value: "a", until: "2026-01-01T00:00:00.000Z" } as const;
  const long = { ...short, until: "2026-01-03T00:00:00.000Z" };
  const other = { kind: "grant", value: "a", until: "2026-01-02T00:00:00.000Z" } as const;
  expect(lastEnds([long, other, short])).toEqual([other, long]);
});

test.each([
  ["stdin", () => revoke(["token", "-"], `Bearer ${token}\n`)],
  ["a file", () => revoke(["token", relay.write("agent.token", token)])],
])("a token comes from %s and leaves as its digest only", async (_where, run) => {
  const { code, out, err } = await run();
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toContain(tokenHash(token));
  expect(out + err).not.toContain(token);
  expect((await found("token", tokenHash(token))).length).toBeGreaterThan(0);
});

test("a token among the arguments is refused and not repeated", async () => {
  const { code, out, err } = await revoke(["token", token]);
  expect(code).toBe(2);
  expect(out + err).not.toContain(token);
  expect(err).toContain("arguments are for all to see");
});

test.each([
  ["no token", "hello"],
  ["two lines", `${token}\n${token}`],
  ["nothing", ""],
  ["too much", "e".repeat(20_000)],
])("%s is refused: its digest would revoke nothing", async (_what, input) => {
  const { code, out } = await revoke(["token", "-"], input);
  expect({ code, out }).toEqual({ code: 2, out: "" });
});

test.each([
  [["server", "no such/server"]],
  [["agent", ""]],
  [["grant", "x".repeat(257)]],
  [["agent", "a", "--for", "forever"]],
  [["agent", "a", "--for", "0s"]],
  [["agent", "a", "--reason", "r".repeat(301)]],
  [["everything"]],
])("revoke %j is a usage error", async (args) => {
  expect((await revoke(args)).code).toBe(2);
});

test("list shows what is in force and what has ended", async () => {
  const operator = await relay.bus({ zone: "operator", instance: "second" });
  const bucket = await openBucket(operator, revocations);
  const ended = { kind: "grant", value: "g-ended", until: "2026-01-01T00:00:00.000Z" } as const;
  await bucket.put(revocationKey("grant"), ended);
  await revoke(["grant", "g-live", "--reason", "\x1b[8mhidden"]);
  const { code, out } = await revoke(["list"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^grant +g-ended +2026-01-01T00:00:00\.000Z +ended$/m);
  expect(out).toMatch(/^grant +g-live +\S+ +in force +\\u\{1b\}\[8mhidden$/m);
  const { revocations: all } = JSON.parse((await revoke(["list", "--json"])).out);
  expect(all).toContainEqual({ ...ended, inForce: false });
});

test("only an operator can revoke: the creds of another zone are refused by NATS", async () => {
  const bus = await relay.bus({ zone: "edge", instance: "e1" });
  const bucket = await openBucket(bus, revocations);
  const entry = { kind: "agent", value: "a", until: "2027-01-01T00:00:00.000Z" } as const;
  await expect(bucket.put(revocationKey("agent"), entry)).rejects.toThrow();
});
