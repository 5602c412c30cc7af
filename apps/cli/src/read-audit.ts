import { AuditError, type AuditRecord, type OpaqueRecord, parseAuditBatch } from "@sallyport/audit";
import { type Bus, readLog } from "@sallyport/bus";
import { auditLog, printable } from "@sallyport/contracts";

export interface Recorded {
  /** Of the message in the log. */
  sequence: number;
  /** Who appended it, as NATS permissions pinned it in the subject. */
  sender: { zone: string; instance: string };
  record: AuditRecord | OpaqueRecord;
}

/** A writer's clock and the log's may differ by this much. */
const clockMarginMs = 60_000;

/** The records of the log in order. `follow` waits for more until the signal. */
export async function* readAudit(
  bus: Bus,
  options: { since?: Date | undefined; follow: boolean; signal: AbortSignal },
): AsyncGenerator<Recorded> {
  const { since, follow, signal } = options;
  const start = since && { since: new Date(since.getTime() - clockMarginMs) };
  for await (const { subject, sequence, bytes } of readLog(bus, auditLog, { ...start, follow, signal })) {
    const sender = auditLog.subject.paramsOf(subject);
    if (sender === undefined) continue;
    for (const record of recordsIn(bytes)) yield { sequence, sender, record };
  }
}

/** What breaks the bounds of a message is shown as a record that is not understood: nothing in the log stays unseen. */
function recordsIn(bytes: Uint8Array): (AuditRecord | OpaqueRecord)[] {
  try {
    return parseAuditBatch(bytes);
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return [{ kind: "opaque", line: error.message }];
  }
}

/**
 * Why a record is not to be believed as it stands, or undefined: a zone that was taken over can write what it wants into
 * a record, but NATS lets it append only in its own name.
 */
export function forgery({ sender, record }: Recorded): string | undefined {
  if (record.kind === "opaque") return undefined;
  if (record.zone === sender.zone && record.instance === sender.instance) return undefined;
  return printable(`appended by ${sender.zone} ${sender.instance}, which is not whom it names`, 200);
}
