import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cgroup, Cgroups, Limits } from "./cgroup.ts";
import { folders, readKey, readNumber, readPids, removeGroup } from "./files.ts";

const controllers = ["memory", "pids", "cpu"] as const;
const periodMicroseconds = 100_000;

/**
 * Groups below `parent`, a v2 group that was delegated to the runner and holds no process of its own (a group with
 * processes cannot give controllers to children). Undefined: it has not all the controllers, or is not ours to write.
 */
export async function cgroupsV2(parent: string, name: string): Promise<Cgroups | undefined> {
  const own = join(parent, `sallyport-${name}`);
  try {
    const offered = (await readFile(join(parent, "cgroup.controllers"), "utf8")).trim().split(" ");
    if (!controllers.every((controller) => offered.includes(controller))) return undefined;
    const enable = controllers.map((controller) => `+${controller}`).join(" ");
    await writeFile(join(parent, "cgroup.subtree_control"), enable);
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "cgroup.subtree_control"), enable);
  } catch {
    return undefined;
  }
  return {
    kind: "cgroup-v2",
    async create(id, limits) {
      await mkdir(join(own, id), { recursive: true });
      await setLimits(join(own, id), limits);
      return group(join(own, id));
    },
    existing: (id) => group(join(own, id)),
    ids: () => folders(own),
    close: () => removeGroup(own),
  };
}

async function setLimits(folder: string, limits: Limits): Promise<void> {
  if (limits.memoryBytes !== undefined) {
    await writeFile(join(folder, "memory.max"), String(limits.memoryBytes));
    await writeFile(join(folder, "memory.swap.max"), "0").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT") throw cause; // a kernel without swap
    });
  }
  if (limits.pids !== undefined) await writeFile(join(folder, "pids.max"), String(limits.pids));
  if (limits.cpus !== undefined)
    await writeFile(
      join(folder, "cpu.max"),
      `${Math.round(limits.cpus * periodMicroseconds)} ${periodMicroseconds}`,
    );
}

function group(folder: string): Cgroup {
  return {
    join: (pid) => writeFile(join(folder, "cgroup.procs"), String(pid)),
    pids: () => readPids(folder),
    async usage() {
      const [microseconds, peakMemoryBytes, outOfMemoryKills, throttledPeriods] = await Promise.all([
        readKey(join(folder, "cpu.stat"), "usage_usec"),
        readNumber(join(folder, "memory.peak")),
        readKey(join(folder, "memory.events"), "oom_kill"),
        readKey(join(folder, "cpu.stat"), "nr_throttled"),
      ]);
      return {
        cpuMilliseconds: microseconds === undefined ? undefined : Math.round(microseconds / 1000),
        peakMemoryBytes,
        outOfMemoryKills,
        throttledPeriods,
      };
    },
    remove: () => removeGroup(folder),
  };
}
