/**
 * Authorities that vouch for the hosts they were made for and for no other, by their own certificate (`src/authority.ts`):
 * one for each sandbox, one for a relay. They are for those who are told to trust them, and nobody's public key
 * infrastructure.
 */
export { type Authority, createAuthority, readAuthority } from "./src/authority.ts";
