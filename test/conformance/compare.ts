import { passes, runSuite, type Suite, type Verdict } from "./suite.ts";

/**
 * Whatever stands at the front answers these itself, so they are not held against the server's own answers.
 * They must pass there all the same.
 */
const ANSWERED_AT_THE_FRONT: readonly string[] = ["dns-rebinding-protection"];

interface Row {
  readonly scenario: string;
  readonly direct: Verdict | undefined;
  readonly through: Verdict | undefined;
  readonly same: boolean;
}

export interface Comparison {
  readonly rows: readonly Row[];
  readonly differences: readonly Row[];
  /** Both verdicts side by side, to print. */
  readonly table: string;
}

export interface CompareOptions {
  /** An endpoint that the suite reaches with nothing between. */
  readonly direct: string;
  /** The same server, reached through what is under test. */
  readonly through: string;
  readonly suite: Suite;
}

/** Runs the suite both ways, one after the other: a run's notifications must not reach the other's streams. */
export async function compareThrough({ direct, through, suite }: CompareOptions): Promise<Comparison> {
  return compareVerdicts(await runSuite(suite, direct), await runSuite(suite, through));
}

/** Pure: lays two verdict tables side by side. A scenario that ran on one side alone is a difference. */
export function compareVerdicts(direct: readonly Verdict[], through: readonly Verdict[]): Comparison {
  const scenarios = [...new Set([...direct, ...through].map((verdict) => verdict.scenario))].sort();
  const rows = scenarios.map((scenario): Row => {
    const one = direct.find((verdict) => verdict.scenario === scenario);
    const other = through.find((verdict) => verdict.scenario === scenario);
    return { scenario, direct: one, through: other, same: sameVerdict(scenario, one, other) };
  });
  return { rows, differences: rows.filter((row) => !row.same), table: rows.map(line).join("\n") };
}

function sameVerdict(scenario: string, direct: Verdict | undefined, through: Verdict | undefined): boolean {
  if (!direct || !through) return false;
  if (ANSWERED_AT_THE_FRONT.includes(scenario)) return passes(through);
  return outcomes(direct) === outcomes(through);
}

/** What each check said, by its id; how often and in which order a remark was made does not matter. */
function outcomes({ checks }: Verdict): string {
  const said = checks.filter((check) => check.status !== "INFO");
  return said
    .map((check) => `${check.id}=${check.status}`)
    .sort()
    .join("\n");
}

function line({ scenario, direct, through, same }: Row): string {
  return `${same ? " " : "!"} ${scenario.padEnd(52)} ${cell(direct)} ${cell(through)}`;
}

function cell(verdict: Verdict | undefined): string {
  if (!verdict) return "not run".padEnd(20);
  const word = passes(verdict) ? "pass" : verdict.scored ? "FAIL" : "fail (unscored)";
  return `${word} ${verdict.passed}/${verdict.passed + verdict.failed}`.padEnd(20);
}
