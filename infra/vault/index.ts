/**
 * What a Vault-compatible server must hold for the broker: a policy, an AppRole to log in with, secrets, and a
 * database role that makes one short-lived user for each lease. The files are data (`policies/`, `roles/`), so
 * that the local stack, the tests and a server of yours are configured by the same ones; README.md has the why.
 */
export {
  type Provisioned,
  type ProvisionOptions,
  provisionVault,
  vaultNames,
} from "./src/provision-vault.ts";
