import type { VaultLeases } from "../credential-source.ts";
import type { Vault } from "./connection.ts";
import { VaultFailure } from "./failure.ts";

/** `sys/leases/*`. Revoking waits until the engine has really done it: the database user is dropped when this returns. */
export function vaultLeases(vault: Vault): VaultLeases {
  const isGone = (thrown: unknown) =>
    thrown instanceof VaultFailure &&
    (thrown.problem === "missing" ||
      (thrown.problem === "refused" && /lease not found|invalid lease|expired/i.test(thrown.said ?? "")));
  return {
    renew: async (vaultLease, seconds) => {
      try {
        const body = { lease_id: vaultLease, increment: seconds };
        await vault.call({ method: "write", path: "sys/leases/renew", body });
        return "renewed";
      } catch (thrown) {
        if (isGone(thrown)) return "gone";
        throw thrown;
      }
    },
    revoke: async (vaultLease) => {
      try {
        await vault.call({
          method: "write",
          path: "sys/leases/revoke",
          body: { lease_id: vaultLease, sync: true },
        });
      } catch (thrown) {
        if (!isGone(thrown)) throw thrown;
      }
    },
  };
}
