/**
 * - `unauthenticated`, `denied`, `not-found`, `invalid`: 401, 403, 404, another 4xx; the same request will not do better.
 * - `conflict`: 409, it is in another state. `precondition`: 412, the lease is another's.
 * - `passing`: 408, 429, 5xx, or no answer; the same request may do better.
 */
export type ApiErrorCode =
  | "unauthenticated"
  | "denied"
  | "not-found"
  | "invalid"
  | "conflict"
  | "precondition"
  | "passing";

/** A call to the environment's API that failed. The message is for the log and for `problem()`: no secret is in it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  /** When the server wants to be asked again, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ApiErrorCode, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Another try cannot help. */
  get fatal(): boolean {
    return this.code !== "passing" && this.code !== "conflict";
  }
}

export function codeOf(status: number): ApiErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "denied";
  if (status === 404) return "not-found";
  if (status === 409) return "conflict";
  if (status === 412) return "precondition";
  if (status === 408 || status === 429 || status >= 500) return "passing";
  return "invalid";
}
