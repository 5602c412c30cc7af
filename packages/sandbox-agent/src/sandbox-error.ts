/**
 * - `violated`: the agent broke the protocol; the client is over, and the sandbox must be ended.
 * - `silent`: the agent did not answer in time; as above.
 * - `closed`: the socket is closed; as above.
 * - `exhausted`: too much is running in this sandbox; nothing was started.
 * - `not-started`: the program could not be started (`errno` says why).
 * - `timeout`: a file operation took too long and was ended.
 * - `failed`: a file operation was refused inside; `reason` says why in words.
 */
export type SandboxErrorCode =
  | "violated"
  | "silent"
  | "closed"
  | "exhausted"
  | "not-started"
  | "timeout"
  | "failed";

export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly code: SandboxErrorCode;
  /** A Linux errno, or one of the agent's own numbers above 199. */
  readonly errno: number | undefined;

  constructor(code: SandboxErrorCode, message: string, errno?: number) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

const reasons: Readonly<Record<number, string>> = {
  1: "operation not permitted",
  2: "no such file or directory",
  3: "no such process",
  7: "argument list too long",
  8: "not a program that can be run",
  11: "too much is running",
  12: "out of memory",
  13: "permission denied",
  17: "it exists",
  20: "not a directory",
  21: "is a directory",
  22: "invalid argument",
  26: "the file is being run",
  27: "too large",
  28: "no space left",
  30: "read-only file system",
  36: "name too long",
  40: "too many links to follow",
  98: "address in use",
  122: "disk quota exceeded",
  200: "not a regular file",
  202: "not a valid pattern",
};

/** Words for an errno of the agent: from this table alone, never text that the sandbox wrote. */
export function reasonOf(errno: number): string {
  return reasons[errno] ?? `error ${errno}`;
}
