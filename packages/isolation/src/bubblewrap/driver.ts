import { assertProven, type Capabilities } from "../capabilities.ts";
import { cgroupsV1 } from "../cgroup/v1.ts";
import { cgroupsV2 } from "../cgroup/v2.ts";
import type { IsolationDriver } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import { openLauncher } from "../launcher/launcher.ts";
import { probe } from "../probe/probe.ts";
import { InHand } from "./in-hand.ts";
import { impassable } from "./passable.ts";
import { reap } from "./reap.ts";
import { keyFiles } from "./sources.ts";
import { type StartDeps, startSandbox } from "./start.ts";
import { openState } from "./state.ts";
import { type UidRange, uidsOf } from "./uids.ts";
import { assertVersion } from "./version.ts";

export interface BubblewrapOptions {
  /** Absolute path of bubblewrap, 0.11 or later. */
  readonly bwrap: string;
  /** Names this runner's cgroups. One living driver per name and state folder. */
  readonly name: string;
  /** Absolute path of a folder for this driver alone, which other users can pass through. Deleted by `close`. */
  readonly state: string;
  /** For a runner that is root: a uid of its own for each sandbox. */
  readonly uids?: UidRange;
  /** Where cgroups are mounted. Default: /sys/fs/cgroup. */
  readonly cgroupRoot?: string;
  /** A v2 group that was delegated to this runner and holds no process. */
  readonly delegatedCgroup?: string;
}

export interface BubblewrapDriver extends IsolationDriver {
  /** Destroys what lives, then deletes the driver's folder and cgroups. */
  close(): Promise<void>;
}

/** Throws IsolationError("setup") for a host or options with which no sandbox could be isolated. */
export async function bubblewrapDriver(options: BubblewrapOptions): Promise<BubblewrapDriver> {
  const deps = await open(options);
  const judged: Capabilities["class"] = {
    user: deps.uids ? "own-uid" : "shared-uid",
    limits: deps.cgroups?.kind ?? "prlimit",
    workspace: deps.uids ? "mounted" : "tmpfs",
  };
  let probed: Promise<Capabilities> | undefined;
  const probeOnce = (): Promise<Capabilities> => {
    probed ??= probe({
      driver: "bubblewrap",
      class: judged,
      folder: deps.state.probe,
      start: (spec) => startSandbox(deps, spec),
    });
    return probed;
  };
  const inHand = new InHand();
  return {
    name: "bubblewrap",
    probe: () => inHand.do(probeOnce),
    create: (spec, archive) =>
      inHand.do(async () => {
        assertProven(spec, await probeOnce());
        return await startSandbox(deps, spec, archive);
      }),
    reap: () => inHand.do(() => reap(deps)),
    async close() {
      try {
        // What begins now, or goes on, would make cgroups and folders beside those that go.
        await inHand.end();
        await Promise.all([...deps.living.values()].map((destroy) => destroy()));
        await deps.cgroups?.close();
      } finally {
        await deps.launcher.close();
      }
      await deps.state.removeAll();
    },
  };
}

async function open(options: BubblewrapOptions): Promise<StartDeps> {
  const { bwrap, name, state, uids, cgroupRoot = "/sys/fs/cgroup", delegatedCgroup } = options;
  const arch = process.arch;
  if (process.platform !== "linux" || (arch !== "x64" && arch !== "arm64"))
    throw new IsolationError("setup", `no seccomp table for ${process.platform} on ${arch}`);
  if (!/^[a-z0-9-]{1,32}$/.test(name))
    throw new IsolationError("setup", "name: up to 32 lower-case letters, digits and `-`");
  const root = process.geteuid?.() === 0;
  // A sandbox that is root outside can open /proc/sys/kernel/core_pattern for writing: code on the host.
  if (root && uids === undefined)
    throw new IsolationError("setup", "uids: a runner that is root needs a range of uids for its sandboxes");
  await assertVersion(bwrap);
  if (root)
    for (const [setting, path] of Object.entries({ bwrap, state })) {
      const closed = await impassable(path);
      if (closed !== undefined)
        throw new IsolationError(
          "setup",
          `${setting}: other users cannot pass through ${closed}, and each sandbox has a uid of its own`,
        );
    }
  const delegated = delegatedCgroup === undefined ? undefined : await cgroupsV2(delegatedCgroup, name);
  if (delegatedCgroup !== undefined && delegated === undefined)
    throw new IsolationError(
      "setup",
      `delegatedCgroup: ${delegatedCgroup} has not memory, pids and cpu to give`,
    );
  const own = root && uids ? uidsOf(uids) : undefined;
  const opened = await openState({ root: state, arch });
  return {
    bwrap,
    state: opened,
    uids: own,
    covered: await keyFiles(),
    cgroups: delegated ?? (await cgroupsV1(cgroupRoot, name)),
    // Last: whoever finds the options wrong leaves nothing behind.
    launcher: await openLauncher({ folder: opened.launcher }),
    living: new Map(),
  };
}
