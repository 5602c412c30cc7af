import type { Handler } from "@sallyport/bus";
import type { claimSessions } from "@sallyport/contracts";
import type { LeaseLedger } from "./lease-ledger.ts";
import type { LeaseTimes } from "./lease-times.ts";

/**
 * Writes down which sessions live. A static credential needs no claim, as it ends by its time alone. A connector can
 * only speak for its own leases: its name is in the subject.
 */
export function claimSessionsHandler(deps: {
  ledger: LeaseLedger;
  times: LeaseTimes;
  now(): Date;
}): Handler<typeof claimSessions> {
  return async ({ sessions }, { params }) => {
    const alive = new Set(sessions);
    const claimedAt = deps.now().toISOString();
    const claimed = deps.ledger
      .of(params.connector)
      .filter((lease) => lease.vaultLease !== undefined && alive.has(lease.session));
    await Promise.all(
      claimed.map((lease) =>
        deps.ledger.change(lease.leaseId, (now) =>
          (now.claimedAt ?? "") >= claimedAt ? undefined : { ...now, claimedAt },
        ),
      ),
    );
    return { livenessSeconds: deps.times.livenessSeconds };
  };
}
