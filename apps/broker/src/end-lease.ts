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

export type End = NonNullable<Lease["ending"]>;

/**
 * Ends a lease for good. It is first marked as over in the ledger, with the reason: whatever happens then, the sweep of
 * some broker tries again, and Vault does not mind being told twice. Who removes it from the ledger writes it down: once,
 * and with the first reason. Throws while Vault cannot end it.
 */
export async function endLease(lease: Lease, end: End, deps: EndDeps): Promise<void> {
  const over = deps.now().toISOString();
  const marked = await deps.ledger.change(lease.leaseId, (now) =>
    now.ending === undefined ? { ...now, ending: end, expiresAt: over } : undefined,
  );
  if (lease.vaultLease !== undefined) await deps.vaultLeases.revoke(lease.vaultLease);
  if (!(await deps.ledger.remove(lease.leaseId))) return;
  const { event, because } = marked?.ending ?? end;
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
