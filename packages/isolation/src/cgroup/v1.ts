import { access, constants, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Step } from "../launcher/steps.ts";
import { type Cgroup, type Cgroups, type Limits, ownProcesses } from "./cgroup.ts";
import { folders, keyOf, numberOf, readPids, removeGroup } from "./files.ts";
import { ownPath } from "./own-path.ts";

const controllers = ["memory", "pids", "cpu", "cpuacct"] as const;
type Parents = Readonly<Record<(typeof controllers)[number], string>>;
const periodMicroseconds = 100_000;

/** Groups of the v1 controllers, below the runner's own, so that its limits hold too. Undefined: they cannot be made. */
export async function cgroupsV1(root: string, name: string): Promise<Cgroups | undefined> {
  const own = await readFile("/proc/self/cgroup", "utf8");
  const parents: Record<string, string> = {};
  for (const controller of controllers) {
    const path = ownPath(own, controller);
    if (path === undefined) return undefined;
    const parent = join(root, controller, path);
    try {
      await access(join(parent, "cgroup.procs"), constants.W_OK);
    } catch {
      return undefined;
    }
    parents[controller] = join(parent, `sallyport-${name}`);
  }
  for (const parent of Object.values(parents)) await mkdir(parent, { recursive: true });
  return groupsBelow(parents as Parents);
}

function groupsBelow(parents: Parents): Cgroups {
  return {
    kind: "cgroup-v1",
    of: (id, limits = {}) => group(id, parents, limits),
    async ids() {
      const found = await Promise.all(controllers.map((controller) => folders(parents[controller])));
      return [...new Set(found.flat())];
    },
    async close() {
      for (const controller of controllers) await removeGroup(parents[controller]);
    },
  };
}

function group(id: string, parents: Parents, limits: Limits): Cgroup {
  const at = (controller: keyof Parents, file = ""): string => join(parents[controller], id, file);
  return {
    make: [
      ...controllers.map((controller): Step => ({ do: "mkdir", path: at(controller), mode: 0o755 })),
      ...limitSteps(at, limits),
    ],
    // A thread that moves itself, by `tasks`, is moved without a wait for all processors.
    joins: controllers.map((controller) => at(controller, "tasks")),
    remove: [
      { do: "read", path: at("cpuacct", "cpuacct.usage") },
      { do: "read", path: at("memory", "memory.max_usage_in_bytes") },
      { do: "read", path: at("memory", "memory.oom_control") },
      { do: "read", path: at("cpu", "cpu.stat") },
      ...controllers.map((controller): Step => ({ do: "rmdir", path: at(controller) })),
    ],
    usageOf([nanoseconds, peak, killed, throttled]) {
      const used = numberOf(nanoseconds);
      return {
        cpuMilliseconds: used === undefined ? undefined : Math.round(used / 1e6),
        peakMemoryBytes: numberOf(peak),
        outOfMemoryKills: keyOf(killed, "oom_kill"),
        throttledPeriods: keyOf(throttled, "nr_throttled"),
      };
    },
    async pids() {
      const found = await Promise.all(controllers.map((controller) => readPids(at(controller))));
      return [...new Set(found.flat())];
    },
  };
}

function limitSteps(
  at: (controller: keyof Parents, file: string) => string,
  { memoryBytes, pids, cpus }: Limits,
): readonly Step[] {
  const write = (path: string, value: number, fine: readonly string[] = []): Step => ({
    do: "write",
    path,
    text: String(value),
    fine,
  });
  const steps: Step[] = [];
  if (memoryBytes !== undefined)
    steps.push(
      write(at("memory", "memory.limit_in_bytes"), memoryBytes),
      // Memory and swap together. A kernel that does not count swap has no such file: then nothing goes there unseen,
      // or the probe's memory check fails.
      write(at("memory", "memory.memsw.limit_in_bytes"), memoryBytes, ["ENOENT"]),
    );
  if (pids !== undefined) steps.push(write(at("pids", "pids.max"), pids + ownProcesses));
  if (cpus !== undefined)
    steps.push(
      write(at("cpu", "cpu.cfs_period_us"), periodMicroseconds),
      write(at("cpu", "cpu.cfs_quota_us"), Math.round(cpus * periodMicroseconds)),
    );
  return steps;
}
