import { printable } from "@sallyport/contracts";
import { outcomeOf } from "./filter.ts";
import type { OpaqueRecord } from "./reader.ts";
import type { AuditRecord } from "./record.ts";

const maxLine = 400;

/**
 * One line for a terminal. A record comes from a zone that may have been taken over, so its text is made printable
 * again: an escape sequence in it would be obeyed by the operator's terminal.
 */
export function printRecord(record: AuditRecord | OpaqueRecord): string {
  if (record.kind === "opaque") return printable(`?  not understood: ${record.line}`, maxLine);
  const { at, kind, agent, user, server, zone, instance, traceId } = record;
  const who = user === undefined ? agent : `${agent} for ${user}`;
  const target = "target" in record && record.target !== undefined ? `${server}/${record.target}` : server;
  const columns = [at, kind.padEnd(8), outcomeOf(record).padEnd(9), `${who} → ${target}`, ...details(record)];
  if (traceId !== undefined) columns.push(`trace ${traceId}`);
  columns.push(`(${zone} ${instance})`);
  return printable(columns.join("  "), maxLine);
}

function details(record: AuditRecord): string[] {
  const shown: (string | undefined)[] = [];
  if (record.kind === "decision") shown.push(record.action, record.rule && `rule ${record.rule}`);
  if (record.kind === "lease") {
    shown.push(record.credential, record.ttlSeconds === undefined ? undefined : `${record.ttlSeconds} s`);
  }
  if (record.kind === "upstream") {
    shown.push(record.method, record.status === undefined ? undefined : `status ${record.status}`);
    if (record.durationMs !== undefined) shown.push(`${record.durationMs.toFixed(1)} ms`);
  }
  shown.push(record.reason);
  return shown.filter((text): text is string => text !== undefined && text !== "");
}
