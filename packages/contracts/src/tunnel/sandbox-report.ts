import { z } from "zod";
import { Capabilities, PoolName, Requirements } from "../work-queue/requirements.ts";

/** Pools of one runner. More would not fit into its announcement. */
export const maxPools = 48;
/** Pools that one edge has settings of, likewise. */
export const maxDemands = 256;

/** What of a sandbox the isolation probe tries from inside. `isolation` is what every sandbox has. */
const properties = [
  "isolation",
  "workspace.bytes",
  "workspace.base",
  "workspace.inodes",
  "temporaryBytes",
  "limits.memoryBytes",
  "limits.pids",
  "limits.cpus",
  "egress",
] as const;

/** What a runner's probe has proven on its host, what it has not and why, and what its pools give one sandbox. */
export const SandboxReport = z.object({
  driver: z.string().max(32),
  /** How the host lets sandboxes be made; see `Capabilities` of `isolation` for which are weaker. */
  class: z.object({
    user: z.enum(["own-uid", "shared-uid"]),
    limits: z.enum(["cgroup-v2", "cgroup-v1", "prlimit", "none"]),
    workspace: z.enum(["mounted", "tmpfs"]),
  }),
  properties: z
    .array(
      z.object({
        property: z.enum(properties),
        proven: z.boolean(),
        /** Only where it is not proven: the first attack that failed, what was seen, what that means. */
        why: z.string().max(400).optional(),
      }),
    )
    .max(properties.length),
  pools: z
    .array(
      z.object({
        name: PoolName,
        gives: Capabilities,
        /** Limits that the pool's settings go without: one sandbox can take these from all others. */
        unlimited: z.array(z.enum(["memory", "pids", "cpus", "inodes"])).max(4),
      }),
    )
    .max(maxPools),
});
export type SandboxReport = z.output<typeof SandboxReport>;

/** What an edge asks for each session in a pool of sandboxes: by pool, and of those that it has no settings for. */
export const SandboxDemands = z.object({
  pools: z.array(z.object({ name: PoolName, requirements: Requirements })).max(maxDemands),
  otherwise: Requirements,
});
export type SandboxDemands = z.output<typeof SandboxDemands>;
