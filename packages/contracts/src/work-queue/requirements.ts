import { z } from "zod";

/** A group of runners that take the same work. It is one token of a NATS subject. */
export const PoolName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, "a pool's name: 1 to 64 of A-Z a-z 0-9 _ -");

const Kernel = z.enum(["shared", "separate"]);
const Network = z.enum(["none", "egress"]);
const MiB = z.number().int().positive().max(16_777_216);
const Pids = z.number().int().positive().max(4_194_304);
/** Cores: 0.5 is half of one. */
const Cpu = z.number().positive().max(4096);

/** What a sandbox must have. Closed: a runner that does not know a requirement would not keep it, so it refuses. */
export const Requirements = z.strictObject({
  /** `separate`: not the host's kernel. A runner with both gives a shared one only where that is asked for. */
  kernel: Kernel,
  network: Network,
  memoryMiB: MiB,
  pids: Pids,
  cpu: Cpu,
  diskMiB: MiB,
});
export type Requirements = z.infer<typeof Requirements>;

/** What a runner has proved that it can give one sandbox: its classes, and the most of each amount. */
export const Capabilities = z.object({
  kernel: z.array(Kernel).max(2),
  network: z.array(Network).max(2),
  memoryMiB: MiB,
  pids: Pids,
  cpu: Cpu,
  diskMiB: MiB,
});
export type Capabilities = z.infer<typeof Capabilities>;
