import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LivePolicies } from "@sallyport/policy";
import { until } from "@sallyport/testkit";
import { expect, onTestFinished, test } from "vitest";
import { followPolicies } from "./follow-policies.ts";

const permit = '@id("all") permit(principal, action == Action::"tools/call", resource);\n';

test("policies follow their files; what is wrong with them is said in readiness and log, once, until it is mended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "follow-policies-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "one.cedar");
  writeFileSync(file, permit);
  const policies = await LivePolicies.open([folder]);
  const errors: object[] = [];
  let health = (): string | { problem: string } => "unasked";
  let close = async () => {};
  followPolicies(
    {
      use: (part: { close(): Promise<void> }) => {
        close = () => part.close();
        return part;
      },
      log: { info: () => {}, warn: () => {}, error: (fields: object) => errors.push(fields) },
      health: { check: (_name: string, ask: () => string | { problem: string }) => (health = ask) },
    } as unknown as Parameters<typeof followPolicies>[0],
    policies,
  );
  onTestFinished(() => close());
  expect(health()).toBe("ok");

  writeFileSync(file, "permit(");
  await until("the mistake is said", async () => typeof health() === "object", { within: 10_000 });
  expect(policies.count).toBe(1);
  writeFileSync(file, permit + permit.replace("all", "more"));
  await until("the mended policies hold", async () => policies.count === 2 && health() === "ok", {
    within: 10_000,
  });
  expect(errors).toHaveLength(1);
});
