import { access, constants, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cgroup, Cgroups, Limits } from "./cgroup.ts";
import { folders, readKey, readNumber, readPids, removeGroup } from "./files.ts";
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
  return groupsBelow(parents as Parents);
}

function groupsBelow(parents: Parents): Cgroups {
  const of = (id: string): Cgroup => group(id, parents);
  return {
    kind: "cgroup-v1",
    async create(id, limits) {
      await Promise.all(
        controllers.map((controller) => mkdir(join(parents[controller], id), { recursive: true })),
      );
      await setLimits(id, parents, limits);
      return of(id);
    },
    existing: of,
    async ids() {
      const found = await Promise.all(controllers.map((controller) => folders(parents[controller])));
      return [...new Set(found.flat())];
    },
    async close() {
      for (const controller of controllers) await removeGroup(parents[controller]);
    },
  };
}

async function setLimits(id: string, parents: Parents, limits: Limits): Promise<void> {
  const set = async (controller: keyof Parents, file: string, value: number): Promise<void> => {
    await writeFile(join(parents[controller], id, file), String(value));
  };
  const memory = async (bytes: number): Promise<void> => {
    await set("memory", "memory.limit_in_bytes", bytes);
    // Memory and swap together. A kernel that does not count swap has no such file: then nothing goes there unseen,
    // or the probe's memory check fails.
    await set("memory", "memory.memsw.limit_in_bytes", bytes).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT" && cause.code !== "EACCES") throw cause;
    });
  };
  const processor = async (cores: number): Promise<void> => {
    await set("cpu", "cpu.cfs_period_us", periodMicroseconds);
    await set("cpu", "cpu.cfs_quota_us", Math.round(cores * periodMicroseconds));
  };
  await Promise.all([
    limits.memoryBytes === undefined ? undefined : memory(limits.memoryBytes),
    limits.pids === undefined ? undefined : set("pids", "pids.max", limits.pids),
    limits.cpus === undefined ? undefined : processor(limits.cpus),
  ]);
}

function group(id: string, parents: Parents): Cgroup {
  const memory = join(parents.memory, id);
  return {
    async join(pid) {
      await Promise.all(
        controllers.map((controller) =>
          writeFile(join(parents[controller], id, "cgroup.procs"), String(pid)),
        ),
      );
    },
    async pids() {
      const found = await Promise.all(
        controllers.map((controller) => readPids(join(parents[controller], id))),
      );
      return [...new Set(found.flat())];
    },
    async usage() {
      const [nanoseconds, peakMemoryBytes, outOfMemoryKills, throttledPeriods] = await Promise.all([
        readNumber(join(parents.cpuacct, id, "cpuacct.usage")),
        readNumber(join(memory, "memory.max_usage_in_bytes")),
        readKey(join(memory, "memory.oom_control"), "oom_kill"),
        readKey(join(parents.cpu, id, "cpu.stat"), "nr_throttled"),
      ]);
      return {
        cpuMilliseconds: nanoseconds === undefined ? undefined : Math.round(nanoseconds / 1e6),
        peakMemoryBytes,
        outOfMemoryKills,
        throttledPeriods,
      };
    },
    async remove() {
      await Promise.all(controllers.map((controller) => removeGroup(join(parents[controller], id))));
    },
  };
}
