import { maxPools, PoolName } from "@sallyport/contracts";
import { drainLimit, gateSettings } from "@sallyport/gate";
import { appConfig, byteSize, duration, filePath } from "@sallyport/runtime";
import { z } from "zod";
import { environmentSettings } from "./environment/settings.ts";
import { EgressConfig, VariableName } from "./sandboxes/egress-config.ts";

/** On a host that cannot limit it, `unlimited` must be said: no limit is ever left out in silence. */
const orUnlimited = <S extends z.ZodType>(schema: S) => z.union([z.literal("unlimited"), schema]);

/** What every sandbox of a pool is. All of it is required: what this host has not proven is not offered. */
const Pool = z.strictObject({
  /** Sandboxes at once. */
  slots: z.int().min(1).max(1000).default(16),
  /** Of one agent, for one user, at once. */
  slotsPerAgent: z.int().min(1).max(1000).default(4),
  memory: orUnlimited(byteSize({ max: "1024GiB" })).default(512 * 1024 ** 2),
  pids: orUnlimited(z.int().min(8).max(4_194_304)).default(128),
  cpus: orUnlimited(z.number().min(0.05).max(4096)).default(1),
  /** Of /workspace. */
  disk: byteSize({ max: "16384GiB" }).default(1024 ** 3),
  inodes: orUnlimited(z.int().min(16).max(100_000_000)).default(200_000),
  /** Of /tmp, and of /dev/shm. */
  temporary: byteSize({ max: "1024GiB" }).default(128 * 1024 ** 2),
  /** A folder that each session gets a view of its own of, as /workspace. It stays as it is. */
  base: filePath().optional(),
  /** The tree that becomes /usr; the host's own unless told. */
  toolchain: filePath().optional(),
  environment: z.record(VariableName, z.string().max(4096)).default({}),
  /** Without it there is no way out at all. */
  egress: EgressConfig.optional(),
  /** A session that nobody uses ends. */
  idle: duration({ min: "1s", max: "24h" }).default(10 * 60_000),
  /** Every session ends. */
  wall: duration({ min: "1s", max: "168h" }).default(8 * 3_600_000),
});
export type Pool = z.output<typeof Pool>;

/** A pool whose tools are run by workers outside, which an edge's work API serves. */
const WorkerPool = z.strictObject({
  /** Sessions at once. */
  sessions: z.int().min(1).max(10_000).default(100),
  /** A session that nobody uses ends. */
  idle: duration({ min: "1s", max: "24h" }).default(10 * 60_000),
});
export type WorkerPool = z.output<typeof WorkerPool>;

export const runnerConfig = appConfig({
  ...gateSettings,
  /** Bubblewrap, 0.11 or later. */
  bwrap: filePath(),
  /** A folder for sandboxes alone, which other users can pass through. */
  state: filePath(),
  /** For a runner that is root: uids that nobody else uses, one for each sandbox. */
  uids: z.strictObject({ first: z.int(), count: z.int() }).optional(),
  /** A cgroup v2 that was delegated to this runner and holds no process. */
  delegatedCgroup: filePath().optional(),
  pools: z
    .record(PoolName, Pool)
    .refine((pools) => Object.keys(pools).length > 0, { message: "a runner without pools has nothing to do" })
    .refine((pools) => Object.keys(pools).length <= maxPools, { message: `at most ${maxPools} pools` }),
  /** Environments of Anthropic's Managed Agents whose sessions are served here. */
  environments: z.array(environmentSettings).max(16).default([]),
  /** Beside `pools`: gated here, run by workers outside. */
  workers: z.record(PoolName, WorkerPool).default({}),
  limits: z
    .strictObject({
      broker: duration({ min: "100ms", max: "30s" }).default(5_000),
      drain: drainLimit,
    })
    .prefault({}),
});
