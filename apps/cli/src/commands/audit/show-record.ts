import { printRecord } from "@sallyport/audit";
import pc from "picocolors";
import { forgery, type Recorded } from "../../read-audit.ts";
import { safeJson } from "../../safe-json.ts";

/** One record as one line: for a person, or as JSON. */
export function recordLine(one: Recorded, { json, color }: { json: boolean; color: boolean }): string {
  const forged = forgery(one);
  if (json) {
    const { sequence, sender, record } = one;
    return `${safeJson({ sequence, sender, record, ...(forged === undefined ? {} : { forged }) })}\n`;
  }
  const { red, yellow, dim } = pc.createColors(color);
  if (forged !== undefined) return `${red(`FORGED (${forged})`)}  ${printRecord(one.record)}\n`;
  const line = printRecord(one.record);
  if (one.record.kind === "opaque") return `${dim(line)}\n`;
  const refused = one.record.kind === "decision" && !one.record.allow;
  return `${refused ? yellow(line) : line}\n`;
}
