import type { SandboxSpec, Usage } from "../driver.ts";
import type { Reads } from "../launcher/launcher.ts";
import type { Step } from "../launcher/steps.ts";

export type Limits = SandboxSpec["limits"];

/** The control group of one sandbox, with bubblewrap in it too. */
export interface Cgroup {
  /** Makes it, with its limits. */
  readonly make: readonly Step[];
  /** Who writes 0 into each is in it, and so is what it starts afterwards. */
  readonly joins: readonly string[];
  /** Reads what `usageOf` counts, then removes it: fails with EBUSY while a process is in it. */
  readonly remove: readonly Step[];
  usageOf(reads: Reads): Usage;
  /** Host pids in it now. */
  pids(): Promise<readonly number[]>;
}

/** Where groups can be made on this host. */
export interface Cgroups {
  readonly kind: "cgroup-v2" | "cgroup-v1";
  /** Also of a sandbox that an earlier life made. */
  of(id: string, limits?: Limits): Cgroup;
  /** Of every group there is, also of an earlier life. */
  ids(): Promise<readonly string[]>;
  /** Puts the empty parent away. */
  close(): Promise<void>;
}

/** bubblewrap's own process outside is counted with those of its sandbox. */
export const ownProcesses = 1;
