import { describe, expect, it } from "vitest";
import { compareVerdicts } from "./compare.ts";
import type { Check, Verdict } from "./suite.ts";

function verdict(scenario: string, statuses: readonly Check["status"][]): Verdict {
  const checks = statuses.map((status, at) => ({ id: `check-${at}`, status }));
  const count = (status: Check["status"]) => statuses.filter((one) => one === status).length;
  const [passed, failed, warnings] = [count("SUCCESS"), count("FAILURE"), count("WARNING")];
  return { scenario, scored: true, passed, failed, warnings, checks };
}

const differing = (direct: readonly Verdict[], through: readonly Verdict[]) =>
  compareVerdicts(direct, through).differences.map((row) => row.scenario);

describe("two verdict tables", () => {
  it("are the same where every check said the same, passing or not", () => {
    const tables = [verdict("ping", ["SUCCESS"]), verdict("tasks", ["SUCCESS", "FAILURE"])];
    expect(differing(tables, tables)).toEqual([]);
  });

  it("do not differ by remarks", () => {
    expect(differing([verdict("ping", ["SUCCESS"])], [verdict("ping", ["SUCCESS", "INFO"])])).toEqual([]);
  });

  it.each<Check["status"]>(["FAILURE", "WARNING", "SKIPPED"])(
    "differ where one check turned to %s",
    (status) => {
      const direct = [verdict("ping", ["SUCCESS", "SUCCESS"])];
      expect(differing(direct, [verdict("ping", ["SUCCESS", status])])).toEqual(["ping"]);
    },
  );

  it("differ even where what is between makes a failing check pass", () => {
    expect(differing([verdict("ping", ["FAILURE"])], [verdict("ping", ["SUCCESS"])])).toEqual(["ping"]);
  });

  it("differ where a scenario ran on one side alone", () => {
    expect(differing([verdict("ping", ["SUCCESS"])], [])).toEqual(["ping"]);
    expect(differing([], [verdict("ping", ["SUCCESS"])])).toEqual(["ping"]);
  });

  it("do not hold the front's own answer against the server's, but it must pass", () => {
    const name = "dns-rebinding-protection";
    const direct = [verdict(name, ["SUCCESS", "WARNING"])];
    expect(differing(direct, [verdict(name, ["SUCCESS", "SUCCESS"])])).toEqual([]);
    expect(differing(direct, [verdict(name, ["SUCCESS", "FAILURE"])])).toEqual([name]);
    expect(differing(direct, [verdict(name, [])])).toEqual([name]);
  });

  it("are printed side by side, with differences marked", () => {
    const { table } = compareVerdicts(
      [verdict("a", ["SUCCESS"])],
      [verdict("a", ["FAILURE"]), verdict("b", ["SUCCESS"])],
    );
    expect(table.split("\n").map((row) => row.replace(/ +/g, " ").trim())).toEqual([
      "! a pass 1/1 FAIL 0/1",
      "! b not run pass 1/1",
    ]);
  });
});
