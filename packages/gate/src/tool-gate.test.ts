import type { AuditFields } from "@sallyport/audit";
import { compilePolicies } from "@sallyport/policy";
import { compileScrub } from "@sallyport/scrub";
import { expect, test } from "vitest";
import { toolGate } from "./tool-gate.ts";

const text = `
@id("run") permit(principal == Agent::"a", action == Action::"sandbox/exec", resource in Server::"box");
@id("tools") permit(principal, action == Action::"tools/call", resource);
@id("no-rm") @reason("nothing is deleted")
forbid(principal, action == Action::"sandbox/exec", resource == Tool::"box/bash")
when { context.arguments has command && context.arguments.command like "*rm *" };`;

function gateWith(append: (fields: AuditFields) => Promise<void>) {
  const warned: string[] = [];
  const gate = toolGate({
    tenant: "t",
    policies: compilePolicies([{ name: "test.cedar", text }]),
    audit: { append, appendLater: append },
    scrubber: () => compileScrub([]),
    log: { warn: (_fields, message) => void warned.push(message) },
  });
  return { gate, warned };
}

const ask = {
  agent: "a",
  server: "box",
  tool: "bash",
  arguments: { command: "ls" },
  session: "sesn_1",
  exchange: "sevt_1",
};

test("an allowed call is on record, decision and start, before it may be made; then its end", async () => {
  const records: AuditFields[] = [];
  const { gate } = gateWith(async (fields) => void records.push(fields));
  const gated = await gate({ ...ask, traceId: "0af7651916cd43dd8448eb211c80319c" });
  expect(records).toMatchObject([
    { kind: "decision", action: "sandbox/exec", target: "bash", allow: true, rule: "run", agent: "a" },
    { kind: "upstream", event: "start", exchange: "sevt_1", server: "box" },
  ]);
  if (gated.allowed) gated.ended({ outcome: "ok", bytesOut: 3 });
  expect(records[2]).toMatchObject({ kind: "upstream", event: "end", outcome: "ok", bytesOut: 3 });
  const written = JSON.stringify(records);
  expect([written.includes("sesn_1"), written.includes('"ls"')]).toEqual([false, false]);
});

test.each([
  ["a rule forbids the arguments", { arguments: { command: "rm x" } }, /rule "no-rm": nothing is deleted/],
  ["no rule speaks of the agent", { agent: "b" }, /no rule allows it/],
  ["no rule speaks of the pool, though tools may be called", { server: "other" }, /no rule allows it/],
])("it is refused where %s, on record and without a start", async (_why, more, reason) => {
  const records: AuditFields[] = [];
  const { gate } = gateWith(async (fields) => void records.push(fields));
  const gated = await gate({ ...ask, ...more });
  expect(gated).toMatchObject({ allowed: false, reason: expect.stringMatching(reason) });
  expect(records).toMatchObject([{ kind: "decision", allow: false }]);
});

test("without a record nothing is allowed", async () => {
  const { gate, warned } = gateWith(async () => {
    throw new Error("full");
  });
  expect(await gate(ask)).toMatchObject({ allowed: false, reason: expect.stringContaining("audit log") });
  expect(warned.length).toBe(1);
});

test("nor is it while the record is on its way", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { gate } = gateWith(() => promise);
  let allowed = false;
  const asked = gate(ask).then((gated) => {
    allowed = gated.allowed;
  });
  await new Promise((go) => setImmediate(go));
  expect(allowed).toBe(false);
  resolve();
  await asked;
  expect(allowed).toBe(true);
});
