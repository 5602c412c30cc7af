/**
 * A grant says what one agent may use for the next minutes: one server, through one connector, in one seal
 * session, never longer than five minutes or than the agent's access token. It is a signed JWT in the shape of
 * the IETF Transaction Tokens draft, and the only thing that opens later doors.
 *
 *     edge:       token facts   = await verifyToken(accessToken, server)
 *                 grant         = await signGrant({ …, expiresAt: grantEnd(now, token.expiresAt) }, signer)
 *     connector:  grant facts   = await verifyGrant(grant, { edgeKey, tenant, connector, session, now })
 *                 token facts   = await verifyToken(accessToken, grant.server)     (its own keys)
 *                 sameAsToken(grant, token), and not revoked
 *     broker:     grant facts   = await verifyGrant(grant, …)
 *
 * The edge faces the world, so nobody believes it alone: that an agent called is proven by the agent's own
 * token, which the connector verifies again with keys that it got from the issuer itself.
 */
export { type EdgeKeys, openEdgeKeys } from "./src/edge-keys.ts";
export { GrantError, type GrantErrorCode, TokenError, type TokenErrorCode } from "./src/error.ts";
export { type GrantFacts, grantEnd } from "./src/grant.ts";
export { issuerKeys } from "./src/issuer-keys.ts";
export { jwksFromFile } from "./src/jwks-file.ts";
export { type JwksUrlOptions, jwksFromUrl } from "./src/jwks-url.ts";
export type { KeyHint, KeySource } from "./src/key-source.ts";
export {
  type Revocable,
  type Revocation,
  type Revocations,
  type RevocationTarget,
  revocations,
} from "./src/revocations.ts";
export { differenceFromToken, sameAsToken, type TokenDifference } from "./src/same-as-token.ts";
export { signGrant } from "./src/sign-grant.ts";
export { serverScope, type TokenFacts, type TokenRules, tokenHash, tokenVerifier } from "./src/token.ts";
export { type GrantExpectations, verifyGrant } from "./src/verify-grant.ts";
