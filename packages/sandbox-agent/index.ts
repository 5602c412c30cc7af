/**
 * The agent inside a sandbox, and the client that asks it.
 *
 * Whatever touches a file or starts a program for the sandbox's owner happens inside, where a planted link leads
 * nowhere. `agent/agent.c` is a small static program that serves one inherited socket; `SandboxClient` asks, and
 * takes every answer for an attacker's: what was not asked for, or is out of bounds, ends the sandbox.
 */
export { BuildAgentError, type BuildAgentOptions, buildAgent } from "./src/build-agent.ts";
export {
  type FileKind,
  type FileStat,
  type FilesOptions,
  type FileWriter,
  type Found,
  type GrepQuery,
  SandboxFiles,
  type SandboxProcess,
} from "./src/files.ts";
export {
  type CommandEnd,
  type CommandOptions,
  type CommandResult,
  PersistentShell,
  type ShellOptions,
} from "./src/persistent-shell.ts";
export { type Exit, type OutputPiece, RunningExec, type SignalScope } from "./src/running-exec.ts";
export { type ExecRequest, SandboxClient, type SandboxLimits } from "./src/sandbox-client.ts";
export { SandboxError, type SandboxErrorCode } from "./src/sandbox-error.ts";
export { withoutEscapes } from "./src/shown-text.ts";
