import { type AuditFields, auditWriter, recorder } from "@sallyport/audit";
import { append, type Bus } from "@sallyport/bus";
import { auditLog } from "@sallyport/contracts";
import type { App } from "@sallyport/runtime";

/** The audit log as one instance writes it. */
export interface AuditLog {
  append(fields: AuditFields): Promise<void>;
  appendLater(fields: AuditFields): Promise<void>;
}

export function openAudit(app: App, bus: Bus): AuditLog {
  const { who } = bus;
  const record = recorder(who);
  const writer = app.use(
    auditWriter({
      publish: (bytes, messageId) =>
        append(bus, auditLog, { params: who, bytes, messageId, timeoutMs: 1_000 }),
    }),
    "audit",
  );
  return {
    append: (fields) => writer.append(record(fields)),
    appendLater: (fields) => writer.appendLater(record(fields)),
  };
}
