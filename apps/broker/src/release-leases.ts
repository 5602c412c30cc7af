import type { Handler } from "@sallyport/bus";
import { type releaseLeases, ServiceError } from "@sallyport/contracts";
import { type EndDeps, endLease } from "./end-lease.ts";
import { publicFailure } from "./vault/failure.ts";

/** A session has ended: so do its leases, now. What Vault cannot end at once stays in the ledger and is tried again. */
export function releaseLeasesHandler(deps: EndDeps): Handler<typeof releaseLeases> {
  return async ({ session }, { params }) => {
    const leases = deps.ledger.of(params.connector, session);
    const end = { event: "released", because: "its session has ended" } as const;
    const outcomes = await Promise.allSettled(leases.map((lease) => endLease(lease, end, deps)));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return { released: leases.length };
    const failure = publicFailure(failed.reason, "a lease of this session");
    if (failure instanceof ServiceError) throw failure;
    throw new ServiceError("unavailable", "a lease of this session could not be ended yet; it will be", {
      cause: failure,
    });
  };
}
