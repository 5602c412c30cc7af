import { randomBytes } from "node:crypto";
import { lchown } from "node:fs/promises";
import type { Cgroup, Cgroups } from "../cgroup/cgroup.ts";
import type { Sandbox, SandboxSpec, Usage, Workspace } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import { type Launched, type Launcher, type Reads, StepFailed } from "../launcher/launcher.ts";
import type { Step } from "../launcher/steps.ts";
import { diffWorkspace, type Layers } from "../workspace/diff.ts";
import { exportArchive } from "../workspace/export-archive.ts";
import { bubblewrapArgs } from "./args.ts";
import { type Disk, diskOf, fill } from "./disk.ts";
import { emptied, endSandbox } from "./end.ts";
import { assertSocket } from "./sources.ts";
import type { State } from "./state.ts";
import type { Uids } from "./uids.ts";

export interface StartDeps {
  readonly bwrap: string;
  readonly state: State;
  readonly launcher: Launcher;
  /** Undefined for a runner that isn't root. */
  readonly uids: Uids | undefined;
  readonly cgroups: Cgroups | undefined;
  /** Files of /proc to cover with nothing. */
  readonly covered: readonly string[];
  /** By id: what `reap` must not touch and `close` must destroy. */
  readonly living: Map<string, () => Promise<unknown>>;
}

const uncounted: Usage = {
  cpuMilliseconds: undefined,
  peakMemoryBytes: undefined,
  outOfMemoryKills: undefined,
};

/** Starts a sandbox whose spec was found to be proven. Throws IsolationError, and then nothing of it is left. */
export async function startSandbox(
  deps: StartDeps,
  spec: SandboxSpec,
  archive?: AsyncIterable<Uint8Array>,
): Promise<Sandbox> {
  const { state, launcher, uids, cgroups, living } = deps;
  const id = randomBytes(8).toString("hex");
  const uid = uids?.take();
  const folder = state.folder(id);
  const cgroup = cgroups?.of(id, spec.limits);
  let disk: Disk | undefined;
  let launched: Launched | undefined;
  const putAway = async (): Promise<Usage> => {
    if (launched) await endSandbox(launched, cgroup);
    launched?.socket.destroy();
    const last: readonly Step[] = [...(disk?.unmount ?? []), { do: "rmdir", path: folder }];
    const used = await usedAndGone(launcher, cgroup, last);
    // Last: a uid that still owns a process must not become another sandbox's.
    if (uid !== undefined) uids?.giveBack(uid);
    living.delete(id);
    return used;
  };
  let destroyed: Promise<Usage> | undefined;
  const destroy = (): Promise<Usage> => {
    destroyed ??= putAway();
    return destroyed;
  };
  living.set(id, destroy);
  try {
    disk = await workspaceDisk(spec, { folder, uid, filled: archive !== undefined });
    const args = bubblewrapArgs(spec, {
      etc: state.etc,
      covered: deps.covered,
      workspace: disk?.merged,
      waits: !cgroup && spec.limits.pids !== undefined,
    });
    const steps: Step[] = [state.make(id), ...(disk?.mount ?? [])];
    if (archive && disk && uid !== undefined) {
      await launcher.run(steps.splice(0));
      const { bytes, inodes } = spec.workspace;
      await fill(disk.upper, archive, { owner: uid, bytes, inodes });
    }
    launched = await launcher.launch([...steps, ...(disk?.cover ?? []), ...(cgroup?.make ?? [])], {
      id,
      uid,
      bwrap: deps.bwrap,
      seccomp: state.seccomp,
      args,
      groups: cgroup?.joins ?? [],
      pids: cgroup ? undefined : spec.limits.pids,
    });
    const { socket, ended } = launched;
    return { id, workspace: disk && workspaceOf(disk), socket, ended, destroy };
  } catch (cause) {
    await destroy();
    throw cause;
  }
}

/** What it used, counted once nothing of it runs; then all of it is gone. */
async function usedAndGone(
  launcher: Launcher,
  cgroup: Cgroup | undefined,
  last: readonly Step[],
): Promise<Usage> {
  const remove = (): Promise<Reads> => launcher.run([...(cgroup?.remove ?? []), ...last]);
  const reads = await remove().catch(async (cause: unknown) => {
    const busy = cause instanceof StepFailed && cause.step?.do === "rmdir" && cause.errno === "EBUSY";
    if (!busy || !cgroup) throw cause;
    await emptied(cgroup);
    return await remove();
  });
  return cgroup ? cgroup.usageOf(reads) : uncounted;
}

interface DiskPlace {
  readonly folder: string;
  readonly uid: number | undefined;
  readonly filled: boolean;
}

async function workspaceDisk(
  { workspace, egress }: SandboxSpec,
  { folder, uid, filled }: DiskPlace,
): Promise<Disk | undefined> {
  if (egress) await assertSocket(egress.socket);
  if (uid === undefined) {
    if (!filled) return undefined;
    throw new IsolationError("refused", "a runner that is not root cannot fill a workspace", {
      field: "workspace.archive",
    });
  }
  // Connecting needs the right to write; no other sandbox gets it.
  if (egress) await lchown(egress.socket, uid, uid);
  return diskOf(folder, workspace, uid);
}

function workspaceOf(layers: Layers): Workspace {
  return {
    diff: (options = {}) => diffWorkspace(layers, options),
    export: (options) => exportArchive(layers.merged, options),
  };
}
