import type { SandboxSpec, Usage } from "../driver.ts";

export type Limits = SandboxSpec["limits"];

/** The control group of one sandbox. */
export interface Cgroup {
  /** Moves a process in. What it starts afterwards is in it too. */
  join(pid: number): Promise<void>;
  /** Host pids in it now. */
  pids(): Promise<readonly number[]>;
  usage(): Promise<Usage>;
  /** Fails while a process is in it. */
  remove(): Promise<void>;
}

/** Where groups can be made on this host. */
export interface Cgroups {
  readonly kind: "cgroup-v2" | "cgroup-v1";
  create(id: string, limits: Limits): Promise<Cgroup>;
  /** The group of a sandbox that an earlier life made. */
  existing(id: string): Cgroup;
  /** Of every group there is, also of an earlier life. */
  ids(): Promise<readonly string[]>;
  /** Puts the empty parent away. */
  close(): Promise<void>;
}
