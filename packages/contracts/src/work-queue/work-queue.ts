import { queue } from "../shape/contract.ts";

/**
 * Which items wait for a runner of a pool: an entry is an item's id, and stays until the item has stopped. The runner
 * that has it prolongs it while it lives; of one that does not, another gets it. What an entry says is a hint: who may
 * run an item is decided by its state (`workItems`).
 */
export const workQueue = queue({
  subject: "work.v1.queue.{pool}.{edge}",
  stream: "WORK",
  maxBytes: 256,
  maxMessages: 10_000,
  ttlSeconds: 86_400,
  ackWaitMs: 30_000,
  enqueuedBy: ["edge"],
  takenBy: ["runner"],
  countedBy: ["edge", "operator"],
});
