import { availableParallelism, totalmem } from "node:os";
import type { Capabilities } from "@sallyport/contracts";
import type { SandboxSpec } from "@sallyport/isolation";
import type { Pool } from "../config.ts";

const MiB = 1024 ** 2;
const mostPids = 4_194_304;

/** Pure: what each sandbox of a pool must be. The driver refuses what it cannot enforce. */
export function specOf(pool: Pool, agent: string): SandboxSpec {
  const { memory, pids, cpus, inodes } = pool;
  return {
    agent: { file: agent },
    ...(pool.toolchain === undefined ? {} : { toolchain: pool.toolchain }),
    workspace: {
      bytes: pool.disk,
      ...(inodes === "unlimited" ? {} : { inodes }),
      ...(pool.base === undefined ? {} : { base: pool.base }),
    },
    temporaryBytes: pool.temporary,
    limits: {
      ...(memory === "unlimited" ? {} : { memoryBytes: memory }),
      ...(pids === "unlimited" ? {} : { pids }),
      ...(cpus === "unlimited" ? {} : { cpus }),
    },
  };
}

/** What may be promised of a pool once such a sandbox was made here: without a limit, what the host has. */
export function capabilitiesOf(pool: Pool): Capabilities {
  return {
    kernel: ["shared"],
    network: pool.egress === undefined ? ["none"] : ["none", "egress"],
    memoryMiB: Math.floor((pool.memory === "unlimited" ? totalmem() : pool.memory) / MiB),
    pids: pool.pids === "unlimited" ? mostPids : pool.pids,
    cpu: pool.cpus === "unlimited" ? availableParallelism() : pool.cpus,
    diskMiB: Math.floor(pool.disk / MiB),
  };
}

/** Pure: what one sandbox of the pool can take from its neighbours, for the log. */
export function unlimitedIn(pool: Pool): ("memory" | "pids" | "cpus" | "inodes")[] {
  return (["memory", "pids", "cpus", "inodes"] as const).filter((limit) => pool[limit] === "unlimited");
}
