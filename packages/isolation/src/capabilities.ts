import type { SandboxSpec } from "./driver.ts";
import { IsolationError } from "./isolation-error.ts";

/** What a check stands for: the isolation that every sandbox has, or one field of a spec. */
export type Protects =
  | "isolation"
  | "workspace.bytes"
  | "workspace.base"
  | "workspace.inodes"
  | "temporaryBytes"
  | "limits.memoryBytes"
  | "limits.pids"
  | "limits.cpus"
  | "egress";

/** One attack, made inside a sandbox of the class. */
export interface Check {
  /** The attack, in words. */
  readonly check: string;
  readonly protects: Protects;
  readonly expected: string;
  readonly seen: string;
  readonly proven: boolean;
  /** What a failure means, or what the class lacks. */
  readonly why: string;
}

/** What the driver is on this host, declared; and what of it was proven. */
export interface Capabilities {
  readonly driver: string;
  readonly class: {
    /** `shared-uid`: weaker. A runner that is not root cannot give each sandbox its own, so they all share its uid. */
    readonly user: "own-uid" | "shared-uid";
    /**
     * `prlimit`: weaker. No cgroup can be made, so processes are counted by user namespace, and memory and CPU have no
     * limit. `none`: pids have none either.
     */
    readonly limits: "cgroup-v2" | "cgroup-v1" | "prlimit" | "none";
    /** `tmpfs`: weaker. Sized in bytes alone, and a workspace has no base folder. */
    readonly workspace: "mounted" | "tmpfs";
  };
  readonly checks: readonly Check[];
}

/** Pure. Throws IsolationError("refused") for the first field that no check has proven: falling through means refuse. */
export function assertProven(spec: SandboxSpec, { checks }: Capabilities): void {
  for (const field of asked(spec)) {
    const ofField = checks.filter(({ protects }) => protects === field);
    const failed = ofField.find(({ proven }) => !proven);
    if (failed)
      throw new IsolationError(
        "refused",
        `${failed.check}: expected ${failed.expected}, saw ${failed.seen}. ${failed.why}`,
        { field },
      );
    if (ofField.length === 0)
      throw new IsolationError("refused", "nothing on this host has proven it", { field });
  }
}

function asked(spec: SandboxSpec): readonly Protects[] {
  const fields: Protects[] = ["isolation", "workspace.bytes", "temporaryBytes"];
  if (spec.workspace.base !== undefined) fields.push("workspace.base");
  if (spec.workspace.inodes !== undefined) fields.push("workspace.inodes");
  if (spec.limits.memoryBytes !== undefined) fields.push("limits.memoryBytes");
  if (spec.limits.pids !== undefined) fields.push("limits.pids");
  if (spec.limits.cpus !== undefined) fields.push("limits.cpus");
  if (spec.egress !== undefined) fields.push("egress");
  return fields;
}
