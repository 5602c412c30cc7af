import type { CredentialSource, VaultLeases } from "../credential-source.ts";
import type { Vault } from "./connection.ts";
import { VaultFailure } from "./failure.ts";

export interface DatabaseSpec {
  mount: string;
  role: string;
}

/**
 * A database user made for one lease: `GET {mount}/creds/{role}`. Its life in Vault must be short, as that is all that
 * ends it when the broker is gone; a role that makes longer ones is refused, and what it made is revoked.
 */
export function databaseSource(
  vault: Vault,
  spec: DatabaseSpec & { leases: VaultLeases; maxVaultTtlSeconds: number },
): CredentialSource {
  const path = `${spec.mount}/creds/${spec.role}`;
  return {
    lease: async (signal) => {
      const reply = await vault.call({ method: "read", path }, signal);
      const { username, password } = reply.data ?? {};
      const { lease_id: vaultLease, lease_duration: ttlSeconds = 0 } = reply;
      if (typeof username !== "string" || typeof password !== "string" || !vaultLease) {
        throw new VaultFailure("faulty", `vault ${path}: no username, password and lease_id in the answer`);
      }
      if (ttlSeconds < 1 || ttlSeconds > spec.maxVaultTtlSeconds) {
        await spec.leases.revoke(vaultLease);
        throw new VaultFailure(
          "refused",
          `vault ${path}: made for ${ttlSeconds} s; set the role's default_ttl`,
          {
            said: `set default_ttl of role ${spec.role} to at most ${spec.maxVaultTtlSeconds}s: the broker renews it while it is used`,
          },
        );
      }
      return { material: { value: password, username }, ttlSeconds, vaultLease };
    },
  };
}
