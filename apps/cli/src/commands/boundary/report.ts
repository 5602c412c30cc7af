import type { BoundaryReport, Result, Verdict } from "@sallyport/boundary";
import { printable } from "@sallyport/contracts";
import pc from "picocolors";
import { table } from "../../table.ts";

/** What one runner's sandboxes withstood. */
export interface RunnerReport {
  /** `root`, or the user's number. */
  readonly runner: string;
  readonly class: BoundaryReport["capabilities"]["class"];
  /** A sentence for each way in which this class is weaker than the strictest. */
  readonly weaker: readonly string[];
  /** Why no sandbox of this class starts at all. */
  readonly refused?: string;
  readonly results: readonly Result[];
}

export function runnerReport(
  runner: string,
  report: BoundaryReport,
  weaknesses: (of: BoundaryReport["capabilities"]["class"]) => readonly string[],
): RunnerReport {
  const { capabilities, refused, results } = report;
  return {
    runner,
    class: capabilities.class,
    weaker: weaknesses(capabilities.class),
    ...(refused === undefined ? {} : { refused }),
    results,
  };
}

/** Pure. Nothing tried is nothing shown. */
export function isGood({ refused, results }: RunnerReport): boolean {
  return refused === undefined && results.every(({ verdict }) => verdict !== "escaped");
}

export function reportText(report: RunnerReport, color: boolean): string {
  const { green, red, yellow, dim, bold } = pc.createColors(color);
  const paints: Record<Verdict, (text: string) => string> = {
    held: green,
    escaped: red,
    weaker: yellow,
    "not tried": dim,
  };
  const { user, limits, workspace } = report.class;
  const rows = table(report.results, [
    { title: "#", text: ({ number }) => String(number).padStart(2), max: 2 },
    { title: "ATTACK", text: ({ name }) => name, max: 32 },
    { title: "EXPECTED", text: ({ expected }) => expected, max: 52 },
    { title: "SEEN", text: ({ seen }) => seen, max: 64 },
    { title: "VERDICT", text: ({ verdict }) => verdict, max: 9, paint: ({ verdict }) => paints[verdict] },
  ]);
  const notes = report.results
    .filter(({ verdict, why }) => verdict === "escaped" || why !== undefined)
    .map(({ number, verdict, seen, why }) => `  ${number} ${verdict}: ${printable(why ?? seen, 600)}`);
  const counts = [...Map.groupBy(report.results, ({ verdict }) => verdict)]
    .map(([verdict, all]) => `${all.length} ${verdict}`)
    .join(", ");
  return [
    bold(`Runner ${report.runner}: ${user}, limits by ${limits}, workspace ${workspace}`),
    ...(report.refused === undefined
      ? []
      : [red(`every claim is refused: ${printable(report.refused, 600)}`)]),
    rows.trimEnd(),
    ...notes,
    ...report.weaker.map((sentence) => yellow(`weaker: ${sentence}`)),
    `${report.results.length} attacks: ${counts}`,
    "",
  ].join("\n");
}
