import { printable } from "@sallyport/contracts";
import pc from "picocolors";
import type { Check } from "./check.ts";

const marks = { ok: "✓", failed: "✗", warning: "!" };

/** A line for each check, and under what is wrong what to do about it. */
export function reportText(checks: readonly Check[], color: boolean): string {
  const { green, red, yellow, bold, dim } = pc.createColors(color);
  const paints = { ok: green, failed: red, warning: yellow };
  const lines = checks.flatMap(({ name, state, what, fix }) => [
    `${paints[state](marks[state])} ${bold(printable(name, 80))}: ${whatLines(what)}`,
    ...(fix === undefined ? [] : [dim(`    fix: ${printable(fix, 400)}`)]),
  ]);
  return `${lines.join("\n")}\n`;
}

function whatLines(what: string): string {
  return what
    .trimEnd()
    .split("\n")
    .map((line) => printable(line, 500))
    .join("\n    ");
}
