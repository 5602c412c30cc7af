import { z } from "zod";
import { request } from "../shape/contract.ts";
import { open } from "../shape/fields.ts";
import { Capabilities, PoolName } from "./requirements.ts";
import { WorkId, WorkItem } from "./work-item.ts";

/**
 * A runner claims an item, says that it starts (`ack`), that it lives (`heartbeat`), that it has ended (`stop`), or hands
 * back what it has not started (`release`). Identity is the subject: NATS permissions pin {runner}.
 *
 * Asking twice does no harm: an answer may be lost, so each is asked again with the same `lease` and `expected`.
 * `conflict`: the lease is lost, and with it the right to do anything about the item.
 */
export const changeWork = request({
  subject: "edge.v1.{runner}.work",
  input: z.object({
    id: open(WorkId),
    lease: z.string().min(16).max(64),
    change: open(
      z.discriminatedUnion("do", [
        z.object({ do: z.literal("claim"), pool: PoolName, capabilities: Capabilities }),
        z.object({ do: z.literal("ack") }),
        /** `NO_HEARTBEAT` the first time, then `beat` of the last answer. */
        z.object({ do: z.literal("heartbeat"), expected: z.string().max(64) }),
        z.object({ do: z.literal("stop") }),
        z.object({ do: z.literal("release") }),
      ]),
    ),
  }),
  output: z.discriminatedUnion("outcome", [
    /** The item is the asker's for another `ttlMs` milliseconds, counted from when it asked. */
    z.object({
      outcome: z.literal("held"),
      item: WorkItem,
      beat: z.string(),
      ttlMs: z.number().int().nonnegative(),
    }),
    /** Nothing is left to do about it. */
    z.object({ outcome: z.literal("gone") }),
    /** Not now, or not for this runner: its queue entry goes back, for that many milliseconds. */
    z.object({ outcome: z.literal("later"), retryMs: z.number().int().nonnegative() }),
  ]),
  errors: ["invalid", "denied", "conflict", "exhausted", "unavailable"],
  servedBy: "edge",
  calledBy: ["runner"],
  idempotent: true,
});
