import type { OpaqueRecord } from "./reader.ts";
import type { AuditKind, AuditRecord } from "./record.ts";

/** What is looked for; all that is given must match. */
export interface AuditFilter {
  agent?: string;
  server?: string;
  /** The tool, resource or prompt. */
  tool?: string;
  kind?: AuditKind;
  /** `allow`, `deny`, a lease's or session's event, or an exchange's outcome. */
  outcome?: string;
  since?: Date;
  /** Not included. */
  until?: Date;
  traceId?: string;
}

/** Pure. An opaque record matches only an empty filter: it cannot say whom it speaks of. */
export function matches(record: AuditRecord | OpaqueRecord, filter: AuditFilter): boolean {
  if (record.kind === "opaque") return Object.values(filter).every((wanted) => wanted === undefined);
  const { agent, server, tool, kind, outcome, since, until, traceId } = filter;
  const at = Date.parse(record.at);
  return (
    (agent === undefined || record.agent === agent) &&
    (server === undefined || record.server === server) &&
    (kind === undefined || record.kind === kind) &&
    (traceId === undefined || record.traceId === traceId) &&
    (tool === undefined || ("target" in record && record.target === tool)) &&
    (outcome === undefined || outcomeOf(record) === outcome) &&
    (since === undefined || at >= since.getTime()) &&
    (until === undefined || at < until.getTime())
  );
}

/** How it went, in one word. */
export function outcomeOf(record: AuditRecord): string {
  switch (record.kind) {
    case "decision":
      return record.allow ? "allow" : "deny";
    case "upstream":
      return record.outcome ?? record.event;
    case "lease":
    case "grant":
    case "session":
      return record.event;
  }
}
