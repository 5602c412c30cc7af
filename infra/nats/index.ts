/**
 * NATS in operator mode, from the contracts: each instance of a zone is a user whose signed JWT lists the subjects it
 * may use. A contract that does not name a zone gives it nothing, and there is no other list to forget.
 *
 * Each tenant is an account of its own (`src/trust.ts`), and what is revoked in it is in the account's JWT, which goes to
 * the running servers (`src/relay-admin.ts`).
 *
 * Read `src/permissions.ts` for the rule, `src/jetstream-rights.ts` for what a reader of a stream needs.
 */
export { permissionsFor, type UserPermissions } from "./src/permissions.ts";
export { type Provisioned, type ProvisionOptions, provisionStreams } from "./src/provision-streams.ts";
export { connectRelayAdmin, type LiveUser, type PushedTo, type RelayAdmin } from "./src/relay-admin.ts";
export { inFlags, type RoadFlags, roadFrom } from "./src/road-flags.ts";
export { accountsConfig, type ServerConfigOptions, serverConfig } from "./src/server-config.ts";
export { createTrust, issueUser, signUser, Trust } from "./src/trust.ts";
export { loadTrust, storeDocuments, storeTenant, storeTrust } from "./src/trust-files.ts";
