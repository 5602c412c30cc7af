/** Every way a contract can fail. Closed: a new code is a new contract version. */
export const errorCodes = [
  "invalid",
  "unauthenticated",
  "denied",
  "not_found",
  "conflict",
  "exhausted",
  "internal",
  "unavailable",
  "timeout",
] as const;
export type ErrorCode = (typeof errorCodes)[number];

const retryable: ReadonlySet<ErrorCode> = new Set(["exhausted", "unavailable"]);

export interface ServiceErrorOptions {
  /** For the log only: what an operator needs and a caller must not see. */
  detail?: string;
  cause?: unknown;
}

/** The one error class that crosses a contract. `message` is public; `detail` and `cause` stay in the log. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: ServiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }

  /** Whether the same request may succeed later. A `timeout` may be retried only where the contract is idempotent. */
  get retryable(): boolean {
    return retryable.has(this.code);
  }
}

/** Any thrown value as a ServiceError: what is not one already is `internal`, and its text stays in the log. */
export function asServiceError(thrown: unknown): ServiceError {
  if (thrown instanceof ServiceError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new ServiceError("internal", "something went wrong here; the log has the details", {
    detail,
    cause: thrown,
  });
}
