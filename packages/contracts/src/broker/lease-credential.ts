import { z } from "zod";
import { request } from "../shape/contract.ts";
import { open, sensitive } from "../shape/fields.ts";
import { CredentialName, InstanceName, ServerName, SessionName } from "../shape/names.ts";

const lease = {
  input: z.object({
    /** The signed grant, which the broker verifies by itself. */
    grant: z.string().max(8192),
    credential: open(CredentialName),
    /** The seal session that the grant is bound to. */
    sealSession: open(z.string().max(64)),
    /** What the lease lives as long as: an MCP session, or the grant's agent where the wire has no sessions. */
    session: sensitive(SessionName),
    traceparent: open(z.string().max(64).optional()),
  }),
  output: z.object({
    leaseId: open(z.string().max(128)),
    /** A sealed box with a `CredentialMaterial`, bound to lease, connector, session, server and credential. */
    sealed: z.string().max(64 * 1024),
    expiresAt: open(z.iso.datetime()),
  }),
  errors: ["invalid", "unauthenticated", "denied", "not_found", "unavailable", "exhausted"],
  servedBy: "broker",
} as const;

/**
 * Ask the broker for a credential, sealed to the asker's enrolled key. Plaintext never crosses NATS.
 * Identity is the subject: NATS permissions pin {connector}, so the body cannot lie about who asks.
 */
export const leaseCredential = request({
  ...lease,
  subject: "broker.v1.{connector}.lease",
  calledBy: ["connector"],
});
/** The same for a runner, whose sandboxes hold placeholders. */
export const leaseForSandbox = request({
  ...lease,
  subject: "broker.v1.runner.{runner}.lease",
  calledBy: ["runner"],
});

/** What the sealed box of a lease holds, as JSON. It exists in clear only in the broker's and the connector's memory. */
export const CredentialMaterial = z.object({
  value: z
    .string()
    .min(1)
    .max(32 * 1024),
  username: z.string().max(1024).optional(),
});

/** What a lease's box is bound to. A box that is carried elsewhere does not open. */
export function leaseBinding(lease: {
  leaseId: string;
  connector: string;
  sealSession: string;
  session: string;
  server: string;
  credential: string;
}): string {
  return JSON.stringify([
    "sallyport/lease/v1",
    lease.leaseId,
    lease.connector,
    lease.sealSession,
    lease.session,
    lease.server,
    lease.credential,
  ]);
}

const release = {
  input: z.object({ session: sensitive(SessionName) }),
  output: z.object({ released: open(z.number().int().nonnegative()) }),
  errors: ["invalid", "unavailable"],
  servedBy: "broker",
  idempotent: true,
} as const;

/** Tell the broker that a session has ended: its leases are revoked in Vault now, not when they would expire. */
export const releaseLeases = request({
  ...release,
  subject: "broker.v1.{connector}.release",
  calledBy: ["connector"],
});
/** The same for a runner. */
export const releaseForSandbox = request({
  ...release,
  subject: "broker.v1.runner.{runner}.release",
  calledBy: ["runner"],
});

const claim = {
  input: z.object({ boot: open(InstanceName), sessions: sensitive(z.array(SessionName).max(10_000)) }),
  output: z.object({ livenessSeconds: open(z.number().int().positive()) }),
  errors: ["invalid", "unavailable"],
  servedBy: "broker",
  idempotent: true,
} as const;

/**
 * Tell the broker which sessions are alive, so that the leases of a connector that was killed are reclaimed: a lease
 * whose session nobody has claimed for `livenessSeconds` is revoked.
 */
export const claimSessions = request({
  ...claim,
  subject: "broker.v1.{connector}.claim",
  calledBy: ["connector"],
});
/** The same for a runner. */
export const claimForSandboxes = request({
  ...claim,
  subject: "broker.v1.runner.{runner}.claim",
  calledBy: ["runner"],
});

/** A lease in the broker's ledger. It says what must be revoked, never what the credential is. */
export const LeaseEntry = z.object({
  leaseId: open(z.string()),
  connector: open(InstanceName),
  session: sensitive(SessionName),
  server: open(ServerName),
  credential: open(CredentialName),
  agent: sensitive(z.string().max(512)),
  /** The Vault lease to revoke, for credentials that Vault made for this lease. */
  vaultLease: sensitive(z.string().max(512).optional()),
  /** The grant by its id and the agent's token by its SHA-256, as a revocation names them. */
  grant: sensitive(z.string().max(128).optional()),
  token: sensitive(z.string().max(128).optional()),
  issuedAt: open(z.iso.datetime()),
  expiresAt: open(z.iso.datetime()),
  /** When the connector last said that the session is alive. */
  claimedAt: open(z.iso.datetime().optional()),
  /** When Vault last prolonged it. */
  renewedAt: open(z.iso.datetime().optional()),
  /** It is over: Vault is asked to end it until it has, by whichever broker, and the record then says this. */
  ending: sensitive(
    z.object({ event: z.enum(["expired", "released", "revoked"]), because: z.string().max(1024) }).optional(),
  ),
});
