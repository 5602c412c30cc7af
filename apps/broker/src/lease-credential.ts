import { randomBytes } from "node:crypto";
import type { Handler } from "@sallyport/bus";
import { leaseBinding, type leaseCredential, ServiceError } from "@sallyport/contracts";
import { GrantError, type GrantFacts } from "@sallyport/grant";
import type { Enrolment } from "@sallyport/seal";
import { sealBox } from "@sallyport/seal";
import type { z } from "zod";
import type { CredentialSource, FreshCredential, VaultLeases } from "./credential-source.ts";
import { decideLease, type LeaseDecision, type LeaseSituation } from "./decide-lease.ts";
import type { Lease, LeaseLedger } from "./lease-ledger.ts";
import type { LeaseRule } from "./lease-rules.ts";
import { inLeaseSpan } from "./lease-span.ts";
import { liveLeases } from "./live-leases.ts";
import type { LeaseRecord, LeaseRecorder } from "./record-lease.ts";
import type { RevocationList } from "./revocation-list.ts";
import { publicFailure } from "./vault/failure.ts";

type Ask = z.output<typeof leaseCredential.input>;

export interface LeaseDeps {
  tenant: string;
  /** Checks the signature of an enrolled edge, and that the grant is live and for this connector and seal session. */
  verifyGrant(
    grant: string,
    expected: { connector: string; session: string; now: Date },
  ): Promise<GrantFacts>;
  enrolled(connector: string): Enrolment | undefined;
  rules: readonly LeaseRule[];
  limits: LeaseSituation["limits"];
  revoked: Pick<RevocationList, "revokes">;
  record: LeaseRecorder;
  source(credential: string): CredentialSource | undefined;
  vaultLeases: VaultLeases;
  ledger: LeaseLedger;
  now(): Date;
  log: { warn(fields: object, message: string): void };
}

/** What happens to an ask for a credential, in order. Each step throws when it says no; there is no fallback. */
export function leaseCredentialHandler(deps: LeaseDeps): Handler<typeof leaseCredential> {
  const live = liveLeases(deps.ledger);
  return (ask, { params: { connector }, signal }) =>
    inLeaseSpan(ask.traceparent, { connector, credential: ask.credential }, async (traceId) => {
      using asked = live.begin(connector, ask.session);
      const enrolment = enrolmentOf(connector, deps);
      const grant = await verifiedGrant(ask, { connector, traceId }, deps);
      const situation = {
        now: deps.now(),
        rules: deps.rules,
        enrolledServers: enrolment.servers,
        revoked: deps.revoked.revokes({ ...grant, grant: grant.id, token: grant.tokenHash }, deps.now()),
        live: asked.others(),
        limits: deps.limits,
      };
      const decision = decideLease(grant, { connector, credential: ask.credential }, situation);
      const leaseId = randomBytes(16).toString("hex");
      const facts = recordOf(ask, grant, { tenant: deps.tenant, leaseId, traceId });
      await deps.record({ ...facts, ...outcomeOf(decision) }); // durable before Vault is asked: no record, no credential
      if (!decision.allow) throw refusal(decision);
      const fresh = await fromVault(ask.credential, signal, deps);
      const lease = leaseOf({ ask, grant, connector, leaseId, fresh }, decision.ttlSeconds, deps.now());
      try {
        const sealed = await seal(fresh, {
          lease,
          sealSession: ask.sealSession,
          publicKey: enrolment.publicKey,
        });
        await Promise.all([
          deps.ledger.add(lease), // until it is there, its short life in Vault is what ends an orphan
          deps.record({ ...facts, event: "issued", ttlSeconds: decision.ttlSeconds }),
        ]);
        return { leaseId, sealed, expiresAt: lease.expiresAt };
      } catch (thrown) {
        await takeBack(lease, deps);
        throw thrown;
      }
    });
}

function enrolmentOf(connector: string, deps: LeaseDeps): Enrolment {
  const enrolment = deps.enrolled(connector);
  if (enrolment !== undefined) return enrolment;
  throw new ServiceError("denied", `connector ${connector} is not enrolled at the broker (enrolments)`);
}

async function verifiedGrant(
  ask: Ask,
  { connector, traceId }: { connector: string; traceId: string | undefined },
  deps: LeaseDeps,
): Promise<GrantFacts> {
  try {
    return await deps.verifyGrant(ask.grant, { connector, session: ask.sealSession, now: deps.now() });
  } catch (thrown) {
    if (!(thrown instanceof GrantError)) throw thrown;
    // What a bad grant says is not worth writing down; that one was shown, and for what, is.
    const { credential, session } = ask;
    const facts = { kind: "lease", event: "denied", tenant: deps.tenant, credential, session } as const;
    const reason = `connector ${connector} showed a grant that does not hold: ${thrown.code}`;
    await deps.record({
      ...facts,
      reason,
      agent: "unknown",
      server: "unknown",
      ...(traceId ? { traceId } : {}),
    });
    throw new ServiceError("unauthenticated", thrown.message, { detail: reason });
  }
}

function recordOf(
  ask: Ask,
  grant: GrantFacts,
  { tenant, leaseId, traceId }: { tenant: string; leaseId: string; traceId: string | undefined },
): Omit<LeaseRecord, "event"> {
  return {
    kind: "lease",
    tenant,
    leaseId,
    credential: ask.credential,
    agent: grant.agent,
    server: grant.server,
    session: ask.session,
    grant: grant.id,
    ...(grant.user === undefined ? {} : { user: grant.user }),
    ...(traceId === undefined ? {} : { traceId }),
  };
}

function outcomeOf(decision: LeaseDecision): Pick<LeaseRecord, "event" | "reason" | "ttlSeconds"> {
  if (!decision.allow) return { event: "denied", reason: decision.reason };
  return { event: "requested", reason: `rule ${decision.ruleId}`, ttlSeconds: decision.ttlSeconds };
}

function refusal(decision: LeaseDecision & { allow: false }): ServiceError {
  const code = decision.reason === "too-many-leases" ? "exhausted" : "denied";
  return new ServiceError(code, decision.message, { detail: decision.reason });
}

async function fromVault(credential: string, signal: AbortSignal, deps: LeaseDeps): Promise<FreshCredential> {
  const source = deps.source(credential);
  if (source === undefined) throw new ServiceError("not_found", `the broker has no credential ${credential}`);
  try {
    return await source.lease(signal);
  } catch (thrown) {
    throw publicFailure(thrown, `credential ${credential}`);
  }
}

function leaseOf(
  made: { ask: Ask; grant: GrantFacts; connector: string; leaseId: string; fresh: FreshCredential },
  ttlSeconds: number,
  now: Date,
): Lease {
  const { ask, grant, fresh } = made;
  // What Vault made for this lease is renewed while its session lives, so only the rule bounds it.
  const seconds = fresh.vaultLease === undefined ? Math.min(fresh.ttlSeconds, ttlSeconds) : ttlSeconds;
  return {
    leaseId: made.leaseId,
    connector: made.connector,
    session: ask.session,
    server: grant.server,
    credential: ask.credential,
    agent: grant.agent,
    grant: grant.id,
    token: grant.tokenHash,
    ...(fresh.vaultLease === undefined ? {} : { vaultLease: fresh.vaultLease }),
    issuedAt: now.toISOString(),
    expiresAt: new Date(+now + seconds * 1000).toISOString(),
  };
}

/** To the connector's enrolled key, for this lease and no other. */
async function seal(
  fresh: FreshCredential,
  { lease, sealSession, publicKey }: { lease: Lease; sealSession: string; publicKey: string },
): Promise<string> {
  const plaintext = Buffer.from(JSON.stringify(fresh.material));
  const box = await sealBox(publicKey, plaintext, leaseBinding({ ...lease, sealSession })).finally(() =>
    plaintext.fill(0),
  );
  return Buffer.from(box).toString("base64url");
}

async function takeBack({ leaseId, vaultLease }: Lease, deps: LeaseDeps): Promise<void> {
  if (vaultLease === undefined) return;
  await deps.vaultLeases.revoke(vaultLease).catch((thrown: unknown) => {
    deps.log.warn(
      { leaseId, problem: String(thrown) },
      "a lease that nobody got is left to end in Vault by itself",
    );
  });
}
