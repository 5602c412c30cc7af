import type { Bench } from "./bench.ts";

/** On whose behalf a request is made. The edge and the gate have checked it; nothing of it is read from the request. */
export interface Caller {
  readonly principal: string;
  readonly pool: string;
  /** The work item that the edge had claimed for this call, if any. */
  readonly item?: string;
}

/** Sandboxes as the MCP server sees them. */
export interface Sandboxes {
  /**
   * Takes the sandbox that a work item reserved for this caller, and names it: at most 256 visible ASCII characters
   * that nobody can guess. Rejects when there is none; the message of a `ServiceError` is told to the caller.
   */
  open(caller: Caller): Promise<string>;
  /**
   * The workbench, made on first use. Rejects with `SandboxGone` for a handle that is unknown, another's, or of a
   * sandbox that has ended: it is never a fresh one.
   */
  use(handle: string, caller: Caller): Promise<Bench>;
  end(handle: string, caller: Caller): Promise<void>;
}
