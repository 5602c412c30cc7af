import { maxPools, SandboxReport } from "@sallyport/contracts";
import type { Capabilities, Check } from "@sallyport/isolation";
import { expect, test } from "vitest";
import { runnerConfig } from "../config.ts";
import { sandboxReport } from "./sandbox-report.ts";

const check = (protects: Check["protects"], proven: boolean, more: Partial<Check> = {}): Check => ({
  ...{
    check: `try ${protects}`,
    protects,
    expected: "no",
    seen: proven ? "no" : "yes",
    proven,
    why: "It matters.",
  },
  ...more,
});
const probed = (...checks: Check[]): Capabilities => ({
  driver: "bubblewrap",
  class: { user: "shared-uid", limits: "prlimit", workspace: "tmpfs" },
  checks,
});
const pools = runnerConfig.shape.pools.parse({
  sandbox: { memory: "unlimited", pids: 64, cpus: "unlimited", disk: "64MiB" },
});

test("a property is proven when each attack on it was withstood, and says why where it is not", () => {
  const { properties } = sandboxReport(
    probed(
      check("isolation", true),
      check("isolation", true),
      check("limits.pids", true),
      check("limits.pids", false),
      check("limits.pids", false),
      check("egress", false),
    ),
    pools,
  );
  expect(properties).toEqual([
    { property: "isolation", proven: true },
    {
      property: "limits.pids",
      proven: false,
      why: "try limits.pids: expected no, saw yes. It matters. (1 more failed)",
    },
    { property: "egress", proven: false, why: "try egress: expected no, saw yes. It matters." },
  ]);
});

test("whatever was seen inside, the report fits its contract and cannot command a terminal", () => {
  const seen = `\u001b[2J${"é\n".repeat(500)}`;
  const report = sandboxReport(probed(...[1, 2].map(() => check("isolation", false, { seen }))), pools);
  expect(SandboxReport.parse(report)).toEqual(report);
  expect(report.properties[0]?.why).not.toMatch(/\p{Cc}/u);
  expect(report.properties[0]?.why).toMatch(/\(1 more failed\)$/);
});

test("a pool says what it gives, and what it goes without", () => {
  const [pool] = sandboxReport(probed(), pools).pools;
  expect(pool).toMatchObject({ name: "sandbox", gives: { pids: 64, diskMiB: 64, network: ["none"] } });
  expect(pool?.unlimited).toEqual(["memory", "cpus"]);
});

test("more pools than an announcement has room for are refused at the start", () => {
  const many = (count: number) =>
    runnerConfig.shape.pools.safeParse(
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, {}])),
    );
  expect(many(maxPools).success).toBe(true);
  expect(many(maxPools + 1).error?.issues[0]?.message).toBe(`at most ${maxPools} pools`);
});
