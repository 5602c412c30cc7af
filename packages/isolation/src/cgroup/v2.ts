import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Step } from "../launcher/steps.ts";
import { type Cgroup, type Cgroups, type Limits, ownProcesses } from "./cgroup.ts";
import { folders, keyOf, numberOf, readPids, removeGroup } from "./files.ts";

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
    of: (id, limits = {}) => group(join(own, id), limits),
    ids: () => folders(own),
    close: () => removeGroup(own),
  };
}

function group(folder: string, limits: Limits): Cgroup {
  return {
    make: [{ do: "mkdir", path: folder, mode: 0o755 }, ...limitSteps(folder, limits)],
    joins: [join(folder, "cgroup.procs")],
    remove: [
      ...["cpu.stat", "memory.peak", "memory.events"].map(
        (file): Step => ({
          do: "read",
          path: join(folder, file),
        }),
      ),
      { do: "rmdir", path: folder },
    ],
    usageOf([processor, peak, events]) {
      const microseconds = keyOf(processor, "usage_usec");
      return {
        cpuMilliseconds: microseconds === undefined ? undefined : Math.round(microseconds / 1000),
        peakMemoryBytes: numberOf(peak),
        outOfMemoryKills: keyOf(events, "oom_kill"),
        throttledPeriods: keyOf(processor, "nr_throttled"),
      };
    },
    pids: () => readPids(folder),
  };
}

function limitSteps(folder: string, { memoryBytes, pids, cpus }: Limits): readonly Step[] {
  const write = (file: string, text: string, fine: readonly string[] = []): Step => ({
    do: "write",
    path: join(folder, file),
    text,
    fine,
  });
  const steps: Step[] = [];
  if (memoryBytes !== undefined)
    // A kernel without swap has no file for it.
    steps.push(write("memory.max", String(memoryBytes)), write("memory.swap.max", "0", ["ENOENT"]));
  if (pids !== undefined) steps.push(write("pids.max", String(pids + ownProcesses)));
  if (cpus !== undefined)
    steps.push(write("cpu.max", `${Math.round(cpus * periodMicroseconds)} ${periodMicroseconds}`));
  return steps;
}
