import type { GrantFacts } from "./grant.ts";
import type { TokenFacts } from "./token.ts";

export type TokenDifference = "hash" | "issuer" | "agent" | "user" | "scope" | "end";

/**
 * Connector: does the grant say what the agent's own access token says? The edge is the most exposed zone, so
 * it is not trusted to name an agent. `token` is what this connector has verified itself.
 * @returns the first difference, or undefined when there is none
 */
export function differenceFromToken(grant: GrantFacts, token: TokenFacts): TokenDifference | undefined {
  if (grant.tokenHash !== token.hash) return "hash";
  if (grant.tokenIssuer !== token.issuer) return "issuer";
  if (grant.agent !== token.agent) return "agent";
  if (grant.user !== token.user) return "user";
  if (!grant.scopes.every((scope) => token.scopes.includes(scope))) return "scope";
  if (grant.expiresAt > token.expiresAt) return "end";
  return undefined;
}

export function sameAsToken(grant: GrantFacts, token: TokenFacts): boolean {
  return differenceFromToken(grant, token) === undefined;
}
