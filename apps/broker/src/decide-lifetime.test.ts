import { expect, test } from "vitest";
import { decideLifetime, type LifetimeSituation } from "./decide-lifetime.ts";
import type { Lease } from "./lease-ledger.ts";
import { leaseTimes } from "./lease-times.ts";

const start = Date.UTC(2026, 4, 1, 12);
const at = (seconds: number) => new Date(start + seconds * 1000);
const iso = (seconds: number) => at(seconds).toISOString();
const lease = (more: Partial<Lease> = {}): Lease => ({
  ...{
    leaseId: "l1",
    connector: "c1",
    session: "s1",
    server: "orders",
    credential: "orders-db",
    agent: "a1",
  },
  ...{ vaultLease: "database/creds/orders/x", issuedAt: iso(0), expiresAt: iso(600) },
  ...more,
});
const step = (one: Lease, seconds: number, more: Partial<LifetimeSituation> = {}) => {
  const now = at(seconds);
  return decideLifetime(one, {
    now,
    hearingSince: at(-1000),
    revoked: undefined,
    times: leaseTimes,
    ...more,
  });
};

test("a lease is renewed some seconds after the last renewal, while its session is claimed", () => {
  expect(step(lease(), 7)).toEqual({ do: "keep" });
  expect(step(lease(), 8)).toEqual({ do: "renew" });
  expect(step(lease({ claimedAt: iso(100), renewedAt: iso(100) }), 105)).toEqual({ do: "keep" });
  expect(step(lease({ claimedAt: iso(100), renewedAt: iso(95) }), 105)).toEqual({ do: "renew" });
});

test("a lease whose session nobody claims ends", () => {
  expect(step(lease({ claimedAt: iso(100), renewedAt: iso(118) }), 120)).toMatchObject({
    do: "end",
    event: "released",
  });
});

test("a broker that could not hear claims waits before it ends a lease, and renews nothing meanwhile", () => {
  expect(step(lease({ claimedAt: iso(100) }), 140, { hearingSince: at(130) })).toEqual({ do: "keep" });
  expect(step(lease({ claimedAt: iso(100) }), 150, { hearingSince: at(130) })).toMatchObject({ do: "end" });
});

test("a lease ends at its time, however often it is claimed", () => {
  const claimed = lease({ claimedAt: iso(600), renewedAt: iso(600) });
  expect(step(claimed, 600)).toMatchObject({ do: "end", event: "expired" });
});

test("a revoked lease ends at once", () => {
  expect(step(lease(), 1, { revoked: "agent" })).toEqual({
    do: "end",
    event: "revoked",
    because: "agent revoked",
  });
});

test("a lease that is being ended keeps the reason that it was given first", () => {
  const ending = { event: "released", because: "its session has ended" } as const;
  const released = lease({ ending, expiresAt: iso(1) });
  expect(step(released, 2)).toEqual({ do: "end", ...ending });
  expect(step(released, 2, { revoked: "agent" })).toEqual({ do: "end", ...ending });
});

test("a static credential is neither renewed nor ended for silence, only by its time", () => {
  const { vaultLease: _, ...fixed } = lease();
  expect(step(fixed, 300)).toEqual({ do: "keep" });
  expect(step(fixed, 600)).toMatchObject({ do: "end", event: "expired" });
});

test("the times keep the promise of 60 s, and leave a broker time to restart", () => {
  const { livenessSeconds, vaultTtlSeconds, renewAfterSeconds, sweepEveryMs } = leaseTimes;
  expect(livenessSeconds + 1 + vaultTtlSeconds).toBeLessThanOrEqual(60);
  expect(livenessSeconds + sweepEveryMs / 1000 + 1).toBeLessThanOrEqual(60);
  expect(vaultTtlSeconds - renewAfterSeconds - sweepEveryMs / 1000).toBeGreaterThanOrEqual(20);
  expect(livenessSeconds).toBeGreaterThan(15); // connectors claim every 10 s, and one may come late
});
