import { randomUUID } from "node:crypto";
import { z } from "zod";
import { bucket } from "../shape/contract.ts";
import { open, sensitive } from "../shape/fields.ts";

/**
 * What may no longer be used, until its natural end. Every edge, connector, runner and broker watches this bucket: an
 * entry ends the streams that run on what it names. An entry stands for ever and is never made shorter: of several for
 * one thing, the one that ends last holds.
 */
export const revocations = bucket({
  name: "revocations",
  value: z.object({
    /** What is revoked: an access token by its SHA-256, a grant by its id, an agent, or a server. */
    kind: open(z.enum(["token", "grant", "agent", "server"])),
    value: sensitive(z.string().min(1).max(512)),
    until: open(z.iso.datetime()),
    reason: open(z.string().max(300).optional()),
  }),
  writtenBy: ["operator"],
  readBy: ["edge", "connector", "runner", "broker", "operator"],
  ttlSeconds: 0,
  writeOnce: true,
});

/**
 * A key for a new entry. Nobody can guess it: whoever could would take it first, and keep what it names from being
 * revoked. So two entries never meet, and revoking again, to prolong, is another entry.
 */
export function revocationKey(kind: z.output<typeof revocations.value>["kind"]): string {
  return `${kind}-${randomUUID()}`;
}
