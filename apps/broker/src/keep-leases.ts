import { decideLifetime } from "./decide-lifetime.ts";
import { type EndDeps, endLease } from "./end-lease.ts";
import type { Lease } from "./lease-ledger.ts";
import type { LeaseTimes } from "./lease-times.ts";
import type { RevocationList } from "./revocation-list.ts";

export interface KeepDeps extends EndDeps {
  revoked: Pick<RevocationList, "revokes" | "onRevoked">;
  times: LeaseTimes;
  /** Whether this connector's enrolment was taken away: then its leases end. */
  isCutOff(connector: string): boolean;
  /** Whether claims can reach this broker now, and its changes the ledger. */
  connected(): boolean;
}

export interface LeaseKeeper {
  /** Goes through the ledger now, or again as soon as the round in progress is over. */
  sweep(): Promise<void>;
  /** Stops. The leases stay in the ledger: another broker, or the next one here, goes on with them. */
  close(): Promise<void>;
}

const atOnce = 8;

/** Renews what is claimed and ends what is not. Every broker does this for all leases; each step may be done twice. */
export function keepLeases(deps: KeepDeps): LeaseKeeper {
  let hearingSince: Date | undefined;
  let round: Promise<void> | undefined;
  let again = false;
  let closed = false;

  const sweepOnce = async () => {
    if (!deps.connected()) {
      // Nobody's silence counts while nobody can be heard.
      hearingSince = undefined;
      return;
    }
    hearingSince ??= deps.now();
    const waiting = deps.ledger.all();
    const failures: unknown[] = [];
    const worker = async () => {
      for (let lease = waiting.pop(); lease !== undefined && !closed; lease = waiting.pop()) {
        await step(lease, { ...deps, hearingSince: hearingSince ?? deps.now() }).catch((thrown: unknown) =>
          failures.push(thrown),
        );
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    if (failures.length > 0) {
      const problem = String(failures[0]);
      deps.log.warn(
        { leases: failures.length, problem },
        "leases could not be renewed or ended; trying again",
      );
    }
  };
  const sweep = (): Promise<void> => {
    if (round !== undefined) {
      again = true;
      return round;
    }
    const rounds = async () => {
      do {
        again = false;
        await sweepOnce();
      } while (again && !closed);
    };
    round = rounds().finally(() => {
      round = undefined;
    });
    return round;
  };
  const report = (thrown: unknown) =>
    deps.log.warn({ problem: String(thrown) }, "a sweep of the leases failed");
  const sweepSoon = () => {
    sweep().catch(report);
  };
  const timer = setInterval(sweepSoon, deps.times.sweepEveryMs);
  deps.revoked.onRevoked(sweepSoon);

  return {
    sweep,
    close: async () => {
      closed = true;
      clearInterval(timer);
      await round;
    },
  };
}

async function step(lease: Lease, deps: KeepDeps & { hearingSince: Date }): Promise<void> {
  const now = deps.now();
  const { hearingSince, times } = deps;
  const revoked = deps.isCutOff(lease.connector) ? "its enrolment" : deps.revoked.revokes(lease, now);
  const next = decideLifetime(lease, { now, hearingSince, times, revoked });
  if (next.do === "end") return await endLease(lease, next, deps);
  if (next.do !== "renew" || lease.vaultLease === undefined) return;
  if ((await deps.vaultLeases.renew(lease.vaultLease, times.vaultTtlSeconds)) === "gone") {
    return await endLease(lease, { event: "expired", because: "Vault had ended it already" }, deps);
  }
  const renewedAt = now.toISOString();
  await deps.ledger.change(lease.leaseId, (current) => ({ ...current, renewedAt }));
}
