/**
 * A small OAuth 2.1 authorization server, so that the demo and the tests have real tokens: RFC 9068 access
 * tokens for one resource each (RFC 8707), by client credentials for agents, or by authorization code with
 * PKCE for people's MCP clients, which register themselves (RFC 7591, or a client ID metadata document).
 *
 * For demonstration. It signs in one demo user without a password, keeps everything in memory, and listens
 * on the loopback address only. In production, point Sallyport at your own issuer.
 */
export { createIssuer, type Issuer, type IssuerOptions } from "./src/issuer.ts";
export { createSigningKeys } from "./src/signing-keys.ts";
