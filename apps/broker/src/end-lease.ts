import type { VaultLeases } from "./credential-source.ts";
import type { Lease, LeaseLedger } from "./lease-ledger.ts";
import type { LeaseRecorder } from "./record-lease.ts";

export interface EndDeps {
  ledger: LeaseLedger;
  vaultLeases: VaultLeases;
  record: LeaseRecorder;
  tenant: string;
  now(): Date;
  log: { warn(fields: object, message: string): void };
}

export interface End {
  event: "expired" | "released" | "revoked";
  because: string;
}

/**
 * Ends a lease for good. It is first marked as over in the ledger: whatever happens then, the sweep of some broker tries
 * again. Vault does not mind being told twice. Throws while Vault cannot do it.
 */
export async function endLease(lease: Lease, { event, because }: End, deps: EndDeps): Promise<void> {
  const over = deps.now().toISOString();
  await deps.ledger.change(lease.leaseId, (now) =>
    now.expiresAt <= over ? undefined : { ...now, expiresAt: over },
  );
  if (lease.vaultLease !== undefined) await deps.vaultLeases.revoke(lease.vaultLease);
  await deps.ledger.remove(lease.leaseId);
  const { leaseId, credential, agent, server, session } = lease;
  const what = { agent, server, session, ...(lease.grant === undefined ? {} : { grant: lease.grant }) };
  try {
    const fields = {
      kind: "lease",
      event,
      leaseId,
      credential,
      tenant: deps.tenant,
      reason: because,
    } as const;
    await deps.record({ ...fields, ...what });
  } catch (thrown) {
    // It has ended, and that is what matters; it is not brought back because nobody could write it down.
    deps.log.warn({ leaseId, problem: String(thrown) }, "the end of a lease could not be recorded");
  }
}
