import { randomBytes } from "node:crypto";
import { lchown, mkdir } from "node:fs/promises";
import type { Cgroup, Cgroups } from "../cgroup/cgroup.ts";
import type { Sandbox, SandboxSpec, Usage } from "../driver.ts";
import { bubblewrapArgs } from "./args.ts";
import { mountWorkspace } from "./disk.ts";
import { emptied, endSandbox } from "./end.ts";
import { type Launched, launch } from "./launch.ts";
import { assertSocket, keyFiles } from "./sources.ts";
import type { State } from "./state.ts";
import type { Uids } from "./uids.ts";

export interface StartDeps {
  readonly bwrap: string;
  readonly inherited: readonly number[];
  readonly state: State;
  /** Undefined for a runner that isn't root. */
  readonly uids: Uids | undefined;
  readonly cgroups: Cgroups | undefined;
  /** By id: what `reap` must not touch and `close` must destroy. */
  readonly living: Map<string, () => Promise<unknown>>;
}

const uncounted: Usage = {
  cpuMilliseconds: undefined,
  peakMemoryBytes: undefined,
  outOfMemoryKills: undefined,
};

/** Starts a sandbox whose spec was found to be proven. Throws IsolationError, and then nothing of it is left. */
export async function startSandbox(deps: StartDeps, spec: SandboxSpec): Promise<Sandbox> {
  const { state, uids, cgroups, living } = deps;
  const id = randomBytes(8).toString("hex");
  const uid = uids?.take();
  let cgroup: Cgroup | undefined;
  let launched: Launched | undefined;
  const putAway = async (): Promise<Usage> => {
    if (launched) await endSandbox(launched, cgroup);
    else if (cgroup) await emptied(cgroup);
    launched?.socket.destroy();
    const usage = (await cgroup?.usage()) ?? uncounted;
    await cgroup?.remove();
    await state.remove(id);
    // Last: a uid that still owns a process must not become another sandbox's.
    if (uid !== undefined) uids?.giveBack(uid);
    living.delete(id);
    return usage;
  };
  let destroyed: Promise<Usage> | undefined;
  const destroy = (): Promise<Usage> => {
    destroyed ??= putAway();
    return destroyed;
  };
  living.set(id, destroy);
  try {
    await mkdir(state.folder(id), { mode: 0o711 });
    if (spec.egress) await assertSocket(spec.egress.socket);
    let workspace: string | undefined;
    if (uid !== undefined) {
      workspace = await mountWorkspace(state.folder(id), uid, spec.workspace);
      // Connecting needs the right to write; no other sandbox gets it.
      if (spec.egress) await lchown(spec.egress.socket, uid, uid);
    }
    cgroup = await cgroups?.create(id, spec.limits);
    const group = cgroup;
    launched = await launch({
      bwrap: deps.bwrap,
      args: bubblewrapArgs(spec, { etc: state.etc, covered: await keyFiles(), workspace }),
      seccomp: state.seccomp,
      inherited: deps.inherited,
      uid,
      beforeStart: async (pid) => await group?.join(pid),
    });
    return { id, socket: launched.socket, ended: launched.ended, destroy };
  } catch (cause) {
    await destroy();
    throw cause;
  }
}
