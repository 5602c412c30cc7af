/**
 * Closed set. `target`: a route's URL that cannot be used. `address-refused`: it leads where one may not go. `header`: a
 * credential, header or path that cannot be put into a request. `exhausted`: too many upstreams at once.
 */
export type EgressErrorCode =
  | "target"
  | "address-refused"
  | "dns"
  | "connect"
  | "tls"
  | "redirect"
  | "timeout"
  | "header"
  | "exhausted";

/** Why a request did not go out or come back. `reason` is for the log: it may name hosts and addresses, never a secret. */
export class EgressError extends Error {
  override readonly name = "EgressError";
  readonly code: EgressErrorCode;
  readonly reason: string;

  constructor(code: EgressErrorCode, reason: string, options?: { cause?: unknown }) {
    super(`${code}: ${reason}`, options);
    this.code = code;
    this.reason = reason;
  }
}
