import { randomBytes } from "node:crypto";
import { lchown, mkdir } from "node:fs/promises";
import type { Cgroup, Cgroups } from "../cgroup/cgroup.ts";
import type { Sandbox, SandboxSpec, Usage, Workspace } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import type { Mounts } from "../mounts/mounts.ts";
import { diffWorkspace, type Layers } from "../workspace/diff.ts";
import { exportArchive } from "../workspace/export-archive.ts";
import { bubblewrapArgs } from "./args.ts";
import { mountWorkspace } from "./disk.ts";
import { emptied, endSandbox } from "./end.ts";
import { type Launched, launch } from "./launch.ts";
import { limitProcesses } from "./prlimit.ts";
import { assertSocket, keyFiles } from "./sources.ts";
import type { State } from "./state.ts";
import type { Uids } from "./uids.ts";

export interface StartDeps {
  readonly bwrap: string;
  readonly inherited: readonly number[];
  readonly state: State;
  /** Undefined for a runner that isn't root. */
  readonly uids: Uids | undefined;
  /** Undefined for a runner that isn't root. */
  readonly mounts: Mounts | undefined;
  readonly cgroups: Cgroups | undefined;
  /** The program that limits processes, where there is no cgroup and it is. */
  readonly prlimit: string | undefined;
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
  const { state, uids, cgroups, living } = deps;
  const id = randomBytes(8).toString("hex");
  const uid = uids?.take();
  let cgroup: Cgroup | undefined;
  let layers: Layers | undefined;
  let launched: Launched | undefined;
  const putAway = async (): Promise<Usage> => {
    if (launched) await endSandbox(launched, cgroup);
    else if (cgroup) await emptied(cgroup);
    else await cgroups?.existing(id).remove();
    launched?.socket.destroy();
    // Nothing runs any more. Both are waited for, whatever comes of one.
    const [used, removed] = await Promise.allSettled([usedAndGone(cgroup), state.remove(id)]);
    if (used.status === "rejected") throw used.reason;
    if (removed.status === "rejected") throw removed.reason;
    // Last: a uid that still owns a process must not become another sandbox's.
    if (uid !== undefined) uids?.giveBack(uid);
    living.delete(id);
    return used.value;
  };
  let destroyed: Promise<Usage> | undefined;
  const destroy = (): Promise<Usage> => {
    destroyed ??= putAway();
    return destroyed;
  };
  living.set(id, destroy);
  try {
    const prepare = async (): Promise<readonly string[]> => {
      const covered = keyFiles();
      const place = { folder: state.folder(id), uid, archive };
      // Both are waited for, whatever comes of one: what was made is put away.
      const [mounted, grouped] = await Promise.allSettled([
        makeWorkspace(deps, spec, place),
        cgroups?.create(id, spec.limits),
      ]);
      if (grouped.status === "rejected") throw grouped.reason;
      cgroup = grouped.value;
      if (mounted.status === "rejected") throw mounted.reason;
      layers = mounted.value;
      return bubblewrapArgs(spec, {
        etc: state.etc,
        covered: await covered,
        workspace: layers?.merged,
      });
    };
    launched = await launch({
      bwrap: deps.bwrap,
      prepare,
      seccomp: state.seccomp,
      inherited: deps.inherited,
      uid,
      beforeStart: async (pid) => {
        await cgroup?.join(pid);
        const { pids } = spec.limits;
        if (deps.prlimit !== undefined && pids !== undefined)
          await limitProcesses(deps.prlimit, { pid, uid, pids });
      },
    });
    const workspace = layers && workspaceOf(layers);
    return { id, workspace, socket: launched.socket, ended: launched.ended, destroy };
  } catch (cause) {
    await destroy();
    throw cause;
  }
}

async function usedAndGone(cgroup: Cgroup | undefined): Promise<Usage> {
  const usage = (await cgroup?.usage()) ?? uncounted;
  await cgroup?.remove();
  return usage;
}

interface WorkspacePlace {
  readonly folder: string;
  readonly uid: number | undefined;
  readonly archive: AsyncIterable<Uint8Array> | undefined;
}

async function makeWorkspace(
  { mounts }: StartDeps,
  spec: SandboxSpec,
  { folder, uid, archive }: WorkspacePlace,
): Promise<Layers | undefined> {
  await mkdir(folder, { mode: 0o711 });
  if (spec.egress) await assertSocket(spec.egress.socket);
  if (mounts === undefined || uid === undefined) {
    if (archive === undefined) return undefined;
    throw new IsolationError("refused", "a runner that is not root cannot fill a workspace", {
      field: "workspace.archive",
    });
  }
  // Connecting needs the right to write; no other sandbox gets it.
  if (spec.egress) await lchown(spec.egress.socket, uid, uid);
  return await mountWorkspace(folder, spec.workspace, { mounts, uid, archive });
}

function workspaceOf(layers: Layers): Workspace {
  return {
    diff: (options = {}) => diffWorkspace(layers, options),
    export: (options) => exportArchive(layers.merged, options),
  };
}
