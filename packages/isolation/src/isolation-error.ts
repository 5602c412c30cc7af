/**
 * Closed set. `setup`: the driver cannot work as configured on this host. `refused`: the spec asks for what was not
 * proven here. `exhausted`: every uid of the range is in use. `start`: bubblewrap did not start the sandbox. `closed`: the
 * driver is closing, and begins nothing any more.
 */
export type IsolationErrorCode = "setup" | "refused" | "exhausted" | "start" | "closed";

/** Why there is no sandbox. `field` names the field of the spec that is to blame; `reason` is for the operator. */
export class IsolationError extends Error {
  override readonly name = "IsolationError";
  readonly code: IsolationErrorCode;
  readonly reason: string;
  readonly field: string | undefined;

  constructor(code: IsolationErrorCode, reason: string, options: { field?: string; cause?: unknown } = {}) {
    super(options.field === undefined ? `${code}: ${reason}` : `${code}: ${options.field}: ${reason}`, {
      cause: options.cause,
    });
    this.code = code;
    this.reason = reason;
    this.field = options.field;
  }
}
