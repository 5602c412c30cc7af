/** How the broker keeps its promise about what outlives a session. */
export interface LeaseTimes {
  /** A session that its connector has not claimed for this long is taken to be dead. Connectors claim at least every 10 s. */
  livenessSeconds: number;
  /** How long Vault keeps a credential that nobody renews. A database role's `default_ttl` may be at most this. */
  vaultTtlSeconds: number;
  /** How long after a renewal the next one is made. */
  renewAfterSeconds: number;
  /** How often the ledger is gone through. */
  sweepEveryMs: number;
}

/**
 * The promise: no credential that Vault made outlives its session by more than 60 s, whoever is killed.
 *
 * - Connector killed: 19 s after its last claim, and at most one sweep later, the lease is revoked: 21 s.
 * - And Vault refuses the revocation, or the broker is killed too: only claimed leases are renewed, so the last renewal
 *   is at most 19 s after the last claim. Vault takes up to 1 s for it, and ends the lease 40 s later by itself: 60 s.
 * - Broker killed while the session lives on: a lease was renewed at most 8 s and one sweep before, so another broker,
 *   or this one after a restart, has 30 s to go on. After that the credential is dead and the session has to lease
 *   again: it fails closed.
 * - Killed between Vault's answer and the ledger's: nobody renews that lease, and Vault ends it after 40 s.
 */
export const leaseTimes: LeaseTimes = {
  livenessSeconds: 19,
  vaultTtlSeconds: 40,
  renewAfterSeconds: 8,
  sweepEveryMs: 2_000,
};
