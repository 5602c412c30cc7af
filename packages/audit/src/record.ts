import { z } from "zod";

/** Every text of a record is printable and at most this long, so sixteen records fit one message. */
export const maxText = 256;

const Text = z.string().max(maxText);
/** SHA-256 in hex. Contents are never in a record; a digest lets who holds the contents show that they are the ones. */
const Digest = z.string().regex(/^[0-9a-f]{64}$/);
const Count = z.number().int().nonnegative();

const common = {
  v: z.literal(1),
  /** UUIDv7 (RFC 9562): unique, and sorted by time within a writer. */
  id: z.string().max(64),
  at: z.iso.datetime(),
  zone: Text,
  instance: Text,
  tenant: Text,
  traceId: Text.optional(),
  /** The `sub` of the agent's token. */
  agent: Text,
  /** The person on whose behalf the agent acts. */
  user: Text.optional(),
  server: Text,
  /** A digest of the MCP session, never its id: who knows the id may use the session. */
  session: Text.optional(),
  /** The grant's `jti`. */
  grant: Text.optional(),
};

/** A policy said yes or no. */
const Decision = z.object({
  ...common,
  kind: z.literal("decision"),
  action: Text,
  /** The tool, resource or prompt. */
  target: Text.optional(),
  argumentsDigest: Digest.optional(),
  /** What is placed into a sandbox's request, by name. */
  credential: Text.optional(),
  allow: z.boolean(),
  rule: Text.optional(),
  reason: Text.optional(),
  policyDigest: Digest,
});

/** A credential's life. */
const Lease = z.object({
  ...common,
  kind: z.literal("lease"),
  event: z.enum(["requested", "issued", "denied", "renewed", "released", "revoked", "expired"]),
  leaseId: Text.optional(),
  credential: Text,
  ttlSeconds: Count.optional(),
  reason: Text.optional(),
});

/** One exchange with a private server. `start` is durable before a credential is used. */
const Upstream = z.object({
  ...common,
  kind: z.literal("upstream"),
  event: z.enum(["start", "end"]),
  exchange: Text,
  method: Text,
  target: Text.optional(),
  credential: Text.optional(),
  outcome: z.enum(["ok", "tool_error", "rpc_error", "http_error", "failed", "cancelled"]).optional(),
  /** HTTP status. */
  status: Count.optional(),
  durationMs: z.number().nonnegative().optional(),
  bytesIn: Count.optional(),
  bytesOut: Count.optional(),
  responseDigest: Digest.optional(),
  reason: Text.optional(),
});

/** A grant or an MCP session: who may use what, from when until when. */
const Access = z.object({
  ...common,
  kind: z.enum(["grant", "session"]),
  event: z.enum(["opened", "refused", "renewed", "revoked", "ended"]),
  reason: Text.optional(),
});

/** What is written down of every decision, lease, exchange, grant and session. Digests, never contents. */
export const AuditRecord = z.discriminatedUnion("kind", [Decision, Lease, Upstream, Access]);
export type AuditRecord = z.infer<typeof AuditRecord>;
export type AuditKind = AuditRecord["kind"];

/** A record without what the recorder adds. */
export type AuditFields = Fields<AuditRecord>;
type Fields<R> = R extends unknown ? Omit<R, "v" | "id" | "at" | "zone" | "instance"> : never;
