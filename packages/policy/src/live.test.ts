import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LivePolicies } from "./live.ts";
import { PolicyError } from "./policy-error.ts";

let folder: string;
let file: string;
const permit = '@id("all") permit(principal, action == Action::"tools/call", resource);\n';
const forbid = '@id("none") forbid(principal, action == Action::"tools/call", resource);\n';
const ask = { agent: "a", server: "s", action: "tools/call", target: "t" };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "live-policies-"));
  file = join(folder, "one.cedar");
  writeFileSync(file, permit);
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a change counts when two readings agree on it", async () => {
  const policies = await LivePolicies.open([folder]);
  const { digest } = policies;
  let changes = 0;
  const end = policies.onChange(() => {
    changes += 1;
  });
  writeFileSync(file, permit + forbid);
  expect(await policies.reload()).toBe(false);
  expect(policies.forServer("s").decide(ask).allow).toBe(true);
  expect(await policies.reload()).toBe(true);
  expect(policies.forServer("s").decide(ask)).toMatchObject({ allow: false, ruleId: "none" });
  expect([changes, policies.digest === digest, policies.count]).toEqual([1, false, 2]);
  end();
  writeFileSync(file, permit);
  await policies.reload();
  expect(await policies.reload()).toBe(true);
  expect(changes).toBe(1);
});

test("a file that is being written is not taken for what it will be", async () => {
  writeFileSync(file, permit + forbid);
  const policies = await LivePolicies.open([folder]);
  writeFileSync(file, permit);
  await policies.reload();
  writeFileSync(file, permit + forbid);
  expect(await policies.reload()).toBe(false);
  expect(await policies.reload()).toBe(false);
  expect(policies.forServer("s").decide(ask).allow).toBe(false);
});

test("what is no policy, or is gone, leaves those that held", async () => {
  const policies = await LivePolicies.open([folder]);
  writeFileSync(file, "permit(");
  await policies.reload().catch(() => {});
  await expect(policies.reload()).rejects.toThrow(PolicyError);
  expect(policies.forServer("s").decide(ask).allow).toBe(true);
  rmSync(file);
  await expect(policies.reload()).rejects.toThrow(PolicyError);
  expect(policies.forServer("s").decide(ask).allow).toBe(true);
});
