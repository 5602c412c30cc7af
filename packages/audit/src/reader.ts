import { AuditError } from "./audit-error.ts";
import { AuditRecord } from "./record.ts";

const limits = { bytes: 256 * 1024, records: 64 };

/** A line that this version does not understand: a kind of a later version, or damage. It is kept, not dropped. */
export interface OpaqueRecord {
  kind: "opaque";
  line: string;
}

/** The records of one message. Throws AuditError `invalid` for more than a message can hold; never for a strange line. */
export function parseAuditBatch(bytes: Uint8Array): (AuditRecord | OpaqueRecord)[] {
  if (bytes.length > limits.bytes) {
    throw new AuditError("invalid", `an audit message of ${bytes.length} bytes is over ${limits.bytes}`);
  }
  const lines = new TextDecoder().decode(bytes).split("\n").filter(Boolean);
  if (lines.length > limits.records) {
    throw new AuditError("invalid", `an audit message of ${lines.length} records is over ${limits.records}`);
  }
  return lines.map(parseLine);
}

function parseLine(line: string): AuditRecord | OpaqueRecord {
  try {
    const result = AuditRecord.safeParse(JSON.parse(line));
    if (result.success) return result.data;
  } catch {
    // Not JSON: kept as it is.
  }
  return { kind: "opaque", line };
}
