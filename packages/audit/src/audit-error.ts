/**
 * `unavailable`: the record is not known to be durable, so what it speaks of must not happen; trying again later may
 * work. `invalid`: the record or batch can never be taken.
 */
export type AuditErrorCode = "unavailable" | "invalid";

export class AuditError extends Error {
  override readonly name = "AuditError";
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
