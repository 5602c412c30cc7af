import type { KeyObject } from "node:crypto";
import { compactVerify } from "jose";
import { GrantClaims, GrantHeader, MAX_GRANT_LENGTH, MAX_GRANT_SECONDS } from "./claims.ts";
import { GrantError, type GrantErrorCode } from "./error.ts";
import { factsOf, type GrantFacts } from "./grant.ts";
import { readJws } from "./read-jws.ts";

/** How far an edge's clock may be ahead of ours. Not granted at the end: there a new grant costs nothing. */
const SKEW_MS = 5_000;

export interface GrantExpectations {
  /** Ed25519 public keys that were enrolled for this edge under this key id. Several while it changes its own. */
  edgeKey(edge: string, keyId: string): KeyObject | readonly KeyObject[] | undefined;
  tenant: string;
  connector: string;
  /** The seal session in which the grant came. Who is not at its end, as the broker, leaves it out. */
  session?: string;
  /** Left out where the grant itself says for which server it is. */
  server?: string;
  now: Date;
}

/**
 * Connector and broker, each by itself: is this grant genuine, live, and for us?
 * @throws GrantError
 */
export async function verifyGrant(jwt: string, expected: GrantExpectations): Promise<GrantFacts> {
  const read = readJws(jwt, MAX_GRANT_LENGTH);
  const header = GrantHeader.safeParse(read?.header);
  const claims = GrantClaims.safeParse(read?.payload);
  if (!header.success || !claims.success) throw new GrantError("malformed");
  const facts = factsOf(claims.data);
  // The claim only says which key to try. An edge cannot speak for another one: the key is looked up by both.
  const keys = [expected.edgeKey(facts.edge, header.data.kid) ?? []].flat();
  const fit = keys.every((key) => key.type === "public" && key.asymmetricKeyType === "ed25519");
  if (keys.length === 0 || !fit) throw new GrantError("unknown-edge");
  try {
    await Promise.any(keys.map((key) => compactVerify(jwt, key, { algorithms: ["EdDSA"] })));
  } catch (cause) {
    throw new GrantError("bad-signature", { cause });
  }
  const fault = faultOf(claims.data, facts, expected);
  if (fault) throw new GrantError(fault);
  return facts;
}

/** Pure. The signature holds; what else could be wrong? */
function faultOf(
  claims: GrantClaims,
  facts: GrantFacts,
  expected: GrantExpectations,
): GrantErrorCode | undefined {
  const now = expected.now.getTime();
  // One fact that is told twice must be told the same way: a reader of either claim gets the same answer.
  if (claims.aud !== `sallyport:${facts.tenant}` || claims.txn !== claims.jti) return "malformed";
  if (claims.exp - claims.iat > MAX_GRANT_SECONDS) return "too-long";
  if (facts.issuedAt.getTime() > now + SKEW_MS) return "not-yet-valid";
  if (facts.expiresAt.getTime() <= now) return "expired";
  if (facts.tenant !== expected.tenant) return "wrong-tenant";
  if (facts.connector !== expected.connector) return "wrong-connector";
  if (expected.session !== undefined && facts.session !== expected.session) return "wrong-session";
  if (expected.server !== undefined && facts.server !== expected.server) return "wrong-server";
  return undefined;
}
