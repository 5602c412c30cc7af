import type { Lease } from "./lease-ledger.ts";
import type { LeaseTimes } from "./lease-times.ts";

export interface LifetimeSituation {
  now: Date;
  /** Since when a claim would have reached this broker: before that, silence says nothing. */
  hearingSince: Date;
  /** What a revocation says about this lease, if one does. */
  revoked: string | undefined;
  times: LeaseTimes;
}

export type LifetimeStep = { do: "keep" | "renew" } | ({ do: "end" } & NonNullable<Lease["ending"]>);

/** Pure: what is to be done about one lease now. A static credential cannot be renewed; it only ends. */
export function decideLifetime(lease: Lease, situation: LifetimeSituation): LifetimeStep {
  const now = +situation.now;
  if (lease.ending !== undefined) return { do: "end", ...lease.ending };
  if (situation.revoked !== undefined) {
    return { do: "end", event: "revoked", because: `${situation.revoked} revoked` };
  }
  if (Date.parse(lease.expiresAt) <= now) return { do: "end", event: "expired", because: "its time is over" };
  if (lease.vaultLease === undefined) return { do: "keep" };

  const { livenessSeconds, renewAfterSeconds } = situation.times;
  const claimed = Date.parse(lease.claimedAt ?? lease.issuedAt);
  const silentFor = (since: number) => (now - since) / 1000;
  if (silentFor(claimed) > livenessSeconds) {
    if (silentFor(Math.max(claimed, +situation.hearingSince)) <= livenessSeconds) return { do: "keep" };
    return { do: "end", event: "released", because: `nobody claimed its session for ${livenessSeconds} s` };
  }
  const renewed = Date.parse(lease.renewedAt ?? lease.issuedAt);
  return { do: silentFor(renewed) >= renewAfterSeconds ? "renew" : "keep" };
}
