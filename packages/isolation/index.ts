/**
 * A place for an agent's tools that can touch only what it was given.
 *
 * A spec says what a sandbox must be, and a driver that cannot enforce a field of it refuses. Nothing is believed: the
 * driver attacks a sandbox of its own class from inside (`src/probe`), and what a check has not proven on this very
 * host is not offered. Isolation is never "best effort", because the failures of others were controls that silently
 * did not apply.
 *
 * The bubblewrap driver: namespaces, no capability, a read-only root, a system call filter written for each
 * architecture (`src/seccomp`), a uid and a cgroup for each sandbox, and an end that takes every process.
 *
 * What a sandbox wrote is an attacker's word (`src/workspace`): it is compared with its base, taken out as an archive and
 * put into the next sandbox without following a link, within bounds, and whole or not at all.
 */

export { type BubblewrapDriver, type BubblewrapOptions, bubblewrapDriver } from "./src/bubblewrap/driver.ts";
export { impassable } from "./src/bubblewrap/passable.ts";
export { passableFolder, reachableBubblewrap } from "./src/bubblewrap/reachable.ts";
export type { UidRange } from "./src/bubblewrap/uids.ts";
export type { Capabilities, Check, Protects } from "./src/capabilities.ts";
export type { Ended, IsolationDriver, Sandbox, SandboxSpec, Usage, Workspace } from "./src/driver.ts";
export { IsolationError, type IsolationErrorCode } from "./src/isolation-error.ts";
export { weaknesses } from "./src/weaknesses.ts";
export type { DiffOptions, WorkspaceChange, WorkspaceDiff } from "./src/workspace/diff.ts";
export type { ExportOptions } from "./src/workspace/export-archive.ts";
export { WorkspaceError, type WorkspaceErrorCode } from "./src/workspace/workspace-error.ts";
