import { z } from "zod";
import { open, sensitive } from "../shape/fields.ts";
import { InstanceName } from "../shape/names.ts";
import { PoolName, Requirements } from "./requirements.ts";

/** `work_` and 16 random bytes. */
export const WorkId = z.string().regex(/^work_[A-Za-z0-9_-]{22}$/, "work_ and 22 of A-Z a-z 0-9 _ -");

const When = z.iso.datetime();

/** Who has an item, and until when. Every write of a holder is conditional on it. */
const Lease = z.object({
  runner: InstanceName,
  /** Random, new for each claim: a runner that was started again is another holder. */
  id: z.string().max(64),
  until: When,
  /** What the next heartbeat must expect, and what the last one expected, in case its answer was lost. */
  beat: z.string().max(64),
  previous: z.object({ beat: z.string().max(64), until: When }).optional(),
});

/** One session's place in a sandbox, in the shape of Anthropic's work API (`/v1/environments/{id}/work`). */
export const WorkItem = z.object({
  id: open(WorkId),
  tenant: open(z.string().max(64)),
  pool: open(PoolName),
  state: open(z.enum(["queued", "starting", "active", "stopping", "stopped"])),
  data: sensitive(z.object({ type: z.enum(["session", "healthcheck"]), id: z.string().min(1).max(128) })),
  requirements: open(Requirements),
  /** Trace context and the like; nothing secret. */
  metadata: sensitive(
    z
      .record(z.string().min(1).max(64), z.string().max(512))
      .refine((metadata) => Object.keys(metadata).length <= 16, "at most 16 entries"),
  ),
  /** Whoever has not started it by then may not start it. */
  startBefore: open(When),
  startWithinMs: open(z.number().int().positive().max(600_000)),
  /** How often it has been claimed. */
  attempts: open(z.number().int().nonnegative()),
  lease: Lease.optional(),
  createdAt: open(When),
  acknowledgedAt: open(When.optional()),
  startedAt: open(When.optional()),
  latestHeartbeatAt: open(When.optional()),
  stopRequestedAt: open(When.optional()),
  stoppedAt: open(When.optional()),
});
export type WorkItem = z.infer<typeof WorkItem>;
