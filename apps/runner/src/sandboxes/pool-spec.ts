import type { Capabilities } from "@sallyport/contracts";
import type { SandboxSpec } from "@sallyport/isolation";
import type { Pool } from "../config.ts";

const MiB = 1024 ** 2;

/** Pure: what each sandbox of a pool must be. The driver refuses what it cannot enforce. */
export function specOf(pool: Pool, agent: string): SandboxSpec {
  return {
    agent: { file: agent },
    ...(pool.toolchain === undefined ? {} : { toolchain: pool.toolchain }),
    workspace: {
      bytes: pool.disk,
      inodes: pool.inodes,
      ...(pool.base === undefined ? {} : { base: pool.base }),
    },
    temporaryBytes: pool.temporary,
    limits: { memoryBytes: pool.memory, pids: pool.pids, cpus: pool.cpus },
  };
}

/** Pure: what may be promised of a pool once such a sandbox was made here. */
export function capabilitiesOf(pool: Pool): Capabilities {
  return {
    kernel: ["shared"],
    network: pool.egress === undefined ? ["none"] : ["none", "egress"],
    memoryMiB: Math.floor(pool.memory / MiB),
    pids: pool.pids,
    cpu: pool.cpus,
    diskMiB: Math.floor(pool.disk / MiB),
  };
}
