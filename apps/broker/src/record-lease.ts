import { AuditError, type AuditFields, type AuditRecord, type AuditWriter } from "@sallyport/audit";
import { ServiceError } from "@sallyport/contracts";

export type LeaseRecord = Extract<AuditFields, { kind: "lease" }>;

/** Resolves when the record is durable; throws `unavailable` when it is not known to be. */
export type LeaseRecorder = (fields: LeaseRecord) => Promise<void>;

export function leaseRecorder(
  writer: AuditWriter,
  complete: (fields: AuditFields) => AuditRecord,
): LeaseRecorder {
  return async (fields) => {
    try {
      await writer.append(complete(fields));
    } catch (cause) {
      if (!(cause instanceof AuditError)) throw cause;
      const message =
        "the lease could not be recorded, so there is none; try again when the audit log can be reached";
      throw new ServiceError("unavailable", message, { detail: cause.message, cause });
    }
  };
}
