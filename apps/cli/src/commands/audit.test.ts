import { randomUUID } from "node:crypto";
import { type AuditFields, type AuditRecord, recorder } from "@sallyport/audit";
import { append, type Bus } from "@sallyport/bus";
import { auditLog } from "@sallyport/contracts";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

let relay: Relay;
let config: string;
const trace = "a".repeat(32);

const ago = (ms: number) => recorder({ zone: "connector", instance: "c1", now: () => Date.now() - ms });
const decision = (more: {
  agent?: string;
  server?: string;
  target?: string;
  allow?: boolean;
}): AuditFields => ({
  kind: "decision",
  tenant: "acme",
  agent: "agent-1",
  server: "orders",
  action: "tools/call",
  target: "get_order",
  allow: true,
  policyDigest: "0".repeat(64),
  traceId: trace,
  ...more,
});

async function write(bus: Bus, ...records: (AuditRecord | object)[]): Promise<void> {
  await append(bus, auditLog, {
    params: { zone: bus.who.zone, instance: bus.who.instance },
    bytes: Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join("")),
    messageId: randomUUID(),
    timeoutMs: 5_000,
  });
}

beforeAll(async () => {
  relay = await startRelay();
  config = relay.config();
  await writePast(relay);
});
afterAll(() => relay.stop());

async function writePast(relay: Relay): Promise<Bus> {
  const connector = await relay.bus({ zone: "connector", instance: "c1" });
  await write(connector, ago(2 * 86_400_000)(decision({ target: "old" })));
  await write(
    connector,
    ago(1_000)(decision({})),
    ago(900)(decision({ target: "refund_order", allow: false })),
    ago(800)(decision({ server: "tickets", target: "sql", agent: "agent-2" })),
    { kind: "of the future", text: "\x1b[2J" },
  );
  const other = await relay.bus({ zone: "connector", instance: "c2" });
  await write(other, ago(700)(decision({ target: "framed" })));
  return connector;
}

const find = (...args: string[]) => sallyport(["audit", "find", ...args, "--config", config]);
const targets = (out: string) =>
  out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).record.target);

test("find shows what matches in the last day, oldest first", async () => {
  const { code, out, err } = await find("--agent", "agent-1", "--server", "orders");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const lines = out.trimEnd().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines[0]).toContain("agent-1 → orders/get_order");
  expect(lines[1]).toMatch(/decision +deny +agent-1 → orders\/refund_order/);
});

test.each([
  [["--tool", "refund_order"], ["refund_order"]],
  [["--outcome", "deny"], ["refund_order"]],
  [["--agent", "agent-2"], ["sql"]],
  [["--server", "tickets"], ["sql"]],
  [["--kind", "decision", "--trace", trace.toUpperCase(), "--tool", "sql"], ["sql"]],
  [["--since", "7d", "--until", "1d"], ["old"]],
  [["--since", "7d", "--limit", "1"], ["framed"]],
])("find %j", async (args, expected) => {
  const { code, out } = await find(...args, "--json");
  expect(code).toBe(0);
  expect(targets(out)).toEqual(expected);
});

test("a limit that hides something says so", async () => {
  expect((await find("--limit", "1")).err).toBe("the newest 1 of 4; --limit shows more\n");
});

test("nothing found is exit code 1", async () => {
  const { code, out } = await find("--agent", "nobody");
  expect({ code, out }).toEqual({ code: 1, out: "" });
});

test("a record that names another writer than appended it is shown as forged", async () => {
  const text = await find("--tool", "framed");
  expect(text.out).toMatch(/^FORGED \(appended by connector c2, which is not whom it names\)/);
  const json = await find("--tool", "framed", "--json");
  expect(JSON.parse(json.out)).toMatchObject({
    sender: { zone: "connector", instance: "c2" },
    forged: "appended by connector c2, which is not whom it names",
    record: { instance: "c1" },
  });
  expect((await find("--tool", "sql", "--json")).out).not.toContain("forged");
});

test.each([
  [["--since", "soon"], "--since"],
  [["--since", "5"], "--since"],
  [["--until", "2026-13-01"], "--until"],
  [["--limit", "0"], "--limit"],
  [["--limit", "1e9"], "--limit"],
  [["--kind", "gossip"], "--kind"],
])("find %j is a usage error that names the option", async (args, option) => {
  const { code, err } = await find(...args);
  expect(code).toBe(2);
  expect(err).toContain(option);
});

test("tail shows the past it was asked for and what comes, with strange records visible and harmless", async () => {
  let wrote = false;
  // A log of its own: what is written here would be found by the others.
  const own = await startRelay();
  onTestFinished(() => own.stop());
  const connector = await writePast(own);
  const { code, out } = await sallyport(["audit", "tail", "--since", "1h", "--config", own.config()], {
    watch: ({ out, kill }) => {
      if (out.includes("late")) kill("SIGTERM");
      if (wrote || !out.includes("framed")) return;
      wrote = true;
      void write(connector, ago(0)(decision({ target: "late" })));
    },
  });
  expect(code).toBe(143);
  expect(out).not.toContain("orders/old");
  expect(out).toContain("orders/get_order");
  expect(out).toContain("?  not understood:");
  expect(out).not.toContain("\x1b");
  expect(out).toContain("orders/late");
});
