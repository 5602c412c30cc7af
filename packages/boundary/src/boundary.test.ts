import { leakCheck } from "@sallyport/testkit";
import { afterAll, describe, expect, it } from "vitest";
import { attacks } from "./attacks.ts";
import type { BoundaryReport } from "./run-boundary.ts";
import { runList } from "./runner.fixture.ts";

afterAll(leakCheck);

const isRoot = process.geteuid?.() === 0;
const nobodyElse = 1_999_999_002;
const numbersOf = ({ results }: BoundaryReport, ...verdicts: readonly string[]): readonly number[] =>
  results.filter(({ verdict }) => verdicts.includes(verdict)).map(({ number }) => number);
const escapes = ({ results }: BoundaryReport) =>
  results.filter(({ verdict }) => verdict === "escaped").map(({ number, seen }) => `${number}: ${seen}`);
/** Where there is one set of system calls, 11 has nothing to try. */
const untried = process.arch === "x64" ? [] : [11];

it("the list is whole: 38 attacks, each with its source and what is expected", () => {
  expect(attacks.map(({ number }) => number)).toEqual(Array.from({ length: 38 }, (_, index) => index + 1));
  for (const { tries, source, expected } of attacks)
    for (const text of [tries, source, expected]) expect(text.length).toBeGreaterThan(4);
});

describe("of 38 attacks from inside, none escapes", () => {
  it.skipIf(!isRoot)(
    "a sandbox of a root runner (skipped: this is not root)",
    { timeout: 120_000 },
    async () => {
      const report = await runList();
      expect(escapes(report)).toEqual([]);
      expect(report.results).toHaveLength(38);
      expect(numbersOf(report, "weaker", "not tried")).toEqual(untried);
    },
  );

  it("a sandbox of a runner that is not root, and what its class cannot stop is refused at claim", {
    timeout: 120_000,
  }, async () => {
    const report = await runList(isRoot ? { uid: nobodyElse } : {});
    expect(escapes(report)).toEqual([]);
    expect(report.results).toHaveLength(38);
    expect(report.capabilities.class.user).toBe("shared-uid");
    const proven = (field: string) =>
      report.capabilities.checks.every((one) => one.protects !== field || one.proven);
    const fields = {
      24: "limits.pids",
      25: "limits.memoryBytes",
      26: "workspace.inodes",
      29: "limits.cpus",
    };
    const lacking = Object.entries(fields).filter(([, field]) => !proven(field));
    expect(lacking.map(([, field]) => field)).toContain("workspace.inodes");
    expect(numbersOf(report, "weaker")).toEqual(lacking.map(([number]) => Number(number)));
    for (const { why, seen } of report.results.filter(({ verdict }) => verdict === "weaker")) {
      expect(seen).toContain("is refused");
      expect(why).toMatch(/\.$/);
    }
  });

  const outer = [
    "--dev-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--unshare-user",
    "--unshare-pid",
    "--uid",
    "1000",
    "--gid",
    "1000",
  ];

  it("a sandbox in a sandbox that allows one", { timeout: 120_000 }, async () => {
    const nested = await runList({
      ...(isRoot ? { uid: nobodyElse } : {}),
      within: (bwrap) => [bwrap, ...outer, "--"],
    });
    if (nested.refused === undefined) expect(escapes(nested)).toEqual([]);
    else expect(numbersOf(nested, "not tried")).toHaveLength(38);
    expect(numbersOf(nested, "held").length + numbersOf(nested, "weaker", "not tried").length).toBe(38);
  });

  it("where no namespace can be made, the probe says so and every claim is refused", {
    timeout: 60_000,
  }, async () => {
    const nested = await runList({
      ...(isRoot ? { uid: nobodyElse } : {}),
      within: (bwrap) => [bwrap, ...outer, "--disable-userns", "--"],
    });
    expect(nested.refused).toMatch(/no sandbox/);
    expect(numbersOf(nested, "not tried")).toHaveLength(38);
    expect(
      nested.capabilities.checks.filter(({ protects, proven }) => protects === "isolation" && proven),
    ).toEqual([]);
  });
});
