/**
 * Closed set. `refused`: an entry that must not pass. `limit`: too many, too large or too deep. `damaged`: no whole
 * archive. `changed`: a file was written while it was read: stop the sandbox's programs first.
 */
export type WorkspaceErrorCode = "refused" | "limit" | "damaged" | "changed";

/** Why a workspace was not read or filled. `path`, below the workspace, is hostile text: for a log that escapes it. */
export class WorkspaceError extends Error {
  override readonly name = "WorkspaceError";
  readonly code: WorkspaceErrorCode;
  readonly reason: string;
  readonly path: string | undefined;

  constructor(code: WorkspaceErrorCode, reason: string, options: { path?: string; cause?: unknown } = {}) {
    super(options.path === undefined ? reason : `${JSON.stringify(options.path.slice(0, 300))}: ${reason}`, {
      cause: options.cause,
    });
    this.code = code;
    this.reason = reason;
    this.path = options.path;
  }
}
