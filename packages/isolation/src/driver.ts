import type { Duplex, Readable } from "node:stream";
import type { Capabilities } from "./capabilities.ts";
import type { DiffOptions, WorkspaceDiff } from "./workspace/diff.ts";
import type { ExportOptions } from "./workspace/export-archive.ts";

/** What a sandbox must be. Every field is a requirement: what the driver has not proven on this host is refused. */
export interface SandboxSpec {
  /** Host path of a static program, readable by anybody: the sandbox's first command, with the socket as fd 3. */
  readonly agent: { readonly file: string };
  /** Host path of the tree that becomes /usr, read-only. Default: /usr. */
  readonly toolchain?: string;
  /**
   * The writable folder /workspace: an empty one, or a copy-on-write view of `base`, which stays as it is. The sandbox
   * can change those files and folders of the base that their mode lets anybody write.
   */
  readonly workspace: {
    readonly base?: string;
    readonly bytes: number;
    /** Files and folders. */
    readonly inodes?: number;
  };
  /** Of /tmp and of /dev/shm, each. */
  readonly temporaryBytes: number;
  readonly limits: {
    /** Memory of all processes and temporary files together, swap included. */
    readonly memoryBytes?: number;
    /** Processes and threads. */
    readonly pids?: number;
    /** In cores: 0.5 is half of one. */
    readonly cpus?: number;
  };
  /** Host path of the egress proxy's socket made for this sandbox, inside at /run/sallyport/egress.sock. */
  readonly egress?: { readonly socket: string };
  /** Host path of a PEM bundle, inside at /etc/ssl/certs/ca-certificates.crt. */
  readonly certificates?: string;
}

export interface Ended {
  /** The agent's exit code; undefined where a signal ended the sandbox. */
  readonly code: number | undefined;
  /** The beginning of what bubblewrap and the agent wrote to stderr, bounded. Hostile input, for the log alone. */
  readonly said: string;
}

/** What a sandbox used. A number that the host does not count is undefined, never 0. */
export interface Usage {
  readonly cpuMilliseconds: number | undefined;
  readonly peakMemoryBytes: number | undefined;
  /** Processes that the kernel ended for want of memory. */
  readonly outOfMemoryKills: number | undefined;
  /** Periods of its processor quota in which it wanted more. */
  readonly throttledPeriods?: number | undefined;
}

/**
 * The runner's view of a workspace, until `destroy`. Its content is hostile: it is read without following a link, and
 * bounded. Both can be asked while the sandbox runs, and then tell of some moment in between.
 */
export interface Workspace {
  diff(options?: DiffOptions): Promise<WorkspaceDiff>;
  /** A tar archive of all that the sandbox sees below /workspace; fails with a WorkspaceError. */
  export(options: ExportOptions): Readable;
}

export interface Sandbox {
  readonly id: string;
  /** Undefined where the class has it as `tmpfs`, which the runner cannot see. */
  readonly workspace: Workspace | undefined;
  /** The other end of the agent's fd 3. What comes out of it is hostile input. */
  readonly socket: Duplex;
  /** Resolves when no process of the sandbox is left. Its cgroup, uid and files stay until `destroy`. */
  readonly ended: Promise<Ended>;
  /** Ends every process and gives back all that the sandbox held. Again: the same answer. */
  destroy(): Promise<Usage>;
}

/** One way to make sandboxes. OCI and Kubernetes can be others. */
export interface IsolationDriver {
  readonly name: string;
  /** Runs the attacks inside a sandbox of this class; answers from memory after the first time. */
  probe(): Promise<Capabilities>;
  /**
   * `archive` is a tar archive that the workspace begins with, over its base: files, folders and links that stay inside;
   * anything else in it refuses the sandbox. Until it is changed, its content counts as the runner's memory.
   * Throws IsolationError: `refused` names the field that was not proven, or `workspace.archive`.
   */
  create(spec: SandboxSpec, archive?: AsyncIterable<Uint8Array>): Promise<Sandbox>;
  /** Puts away what an earlier life of this driver left; returns the number of its sandboxes. */
  reap(): Promise<number>;
}
