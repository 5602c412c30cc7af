import type { KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { GRANT_TYPE, MAX_GRANT_LENGTH, MAX_GRANT_SECONDS } from "./claims.ts";
import { GrantError } from "./error.ts";
import { claimsOf, type GrantFacts } from "./grant.ts";

/**
 * Edge: sign what was decided. `expiresAt` is for {@link grantEnd} to choose; a longer life is refused here as
 * it would be by every verifier.
 * @returns a compact JWS (EdDSA with Ed25519)
 * @throws GrantError `malformed`, `too-long`, `expired` (the token's end has passed: it ends before it begins)
 */
export async function signGrant(
  facts: GrantFacts,
  signer: { key: KeyObject; keyId: string },
): Promise<string> {
  const claims = claimsOf(facts);
  if (claims.exp - claims.iat > MAX_GRANT_SECONDS) throw new GrantError("too-long");
  if (claims.exp <= claims.iat) throw new GrantError("expired");
  const jwt = await new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: GRANT_TYPE, kid: signer.keyId })
    .sign(signer.key);
  if (jwt.length > MAX_GRANT_LENGTH) throw new GrantError("malformed");
  return jwt;
}
