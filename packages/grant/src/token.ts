import { hash } from "node:crypto";
import { compactVerify } from "jose";
import { TokenError } from "./error.ts";
import type { KeySource } from "./key-source.ts";
import { readJws } from "./read-jws.ts";
import { isAccessTokenType, TokenClaims, TokenHeader } from "./token-claims.ts";

/** Characters. A token of this size fits into one header of common servers. */
const MAX_TOKEN_LENGTH = 16 * 1024;
const DEFAULT_ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"] as const;
const MAX_SKEW_SECONDS = 60;

export interface TokenFacts {
  issuer: string;
  /** `sub` as it stands in the token. */
  subject: string;
  /** The client that acts: `client_id`, or `azp`, or else `sub`. */
  agent: string;
  /** For whom it acts: `sub`, when that is not the agent itself. */
  user?: string;
  scopes: readonly string[];
  expiresAt: Date;
  /** {@link tokenHash} of the token. */
  hash: string;
}

export interface TokenRules {
  /** Exactly as in the token's `iss`. */
  issuer: string;
  /** The resource of RFC 8707, exactly as in `aud`: one text, or one per server. */
  audience: string | ((server: string) => string);
  keys: KeySource;
  /** How far the issuer's clock may be from ours; 5 s unless told, at most 60. */
  skewSeconds?: number;
  now?: () => Date;
  /** Asymmetric ones only. Default: ES256, EdDSA, RS256, PS256. */
  allowedAlgorithms?: readonly string[];
}

/**
 * How a grant, a record or a revocation names an access token: SHA-256, base64url, over header and payload with
 * the dot between. The signature is left out on purpose. Whoever holds an ECDSA signature (r, s) can compute
 * the second one that holds, (r, n - s): over the whole text, a revoked token would come back under another name.
 */
export function tokenHash(token: string): string {
  const end = token.lastIndexOf(".");
  return hash("sha256", end < 0 ? token : token.slice(0, end), "base64url");
}

/** The scope that opens a server. */
export function serverScope(server: string): string {
  return `mcp:${server}`;
}

/**
 * Verifies OAuth access tokens as a resource server. Edge and connector each have one of their own, with keys
 * from sources of their own.
 * @returns a function of token and server, which throws TokenError
 * @throws TypeError at once for rules that would let everybody in
 */
export function tokenVerifier(rules: TokenRules): (token: string, server: string) => Promise<TokenFacts> {
  const algorithms = [...(rules.allowedAlgorithms ?? DEFAULT_ALGORITHMS)];
  const skewMs = (rules.skewSeconds ?? 5) * 1000;
  refuseOpenRules(algorithms, skewMs);
  const audienceOf = (server: string) =>
    typeof rules.audience === "string" ? rules.audience : rules.audience(server);

  return async (token, server) => {
    const read = readJws(token, MAX_TOKEN_LENGTH);
    const header = TokenHeader.safeParse(read?.header);
    const claims = TokenClaims.safeParse(read?.payload);
    if (!header.success || !claims.success || !isAccessTokenType(header.data.typ))
      throw new TokenError("malformed");
    const { alg, kid } = header.data;
    // Before any key is looked for: the token does not choose how it is verified.
    if (!algorithms.includes(alg)) throw new TokenError("bad-algorithm");
    // Before the signature, so that other issuers' tokens cause no search for their keys.
    if (claims.data.iss !== rules.issuer) throw new TokenError("wrong-issuer");
    const key = await rules.keys.keyFor({ alg, ...(kid !== undefined && { kid }) });
    try {
      await compactVerify(token, key, { algorithms });
    } catch (cause) {
      throw new TokenError("bad-signature", { cause });
    }
    const facts = factsOf(claims.data, token);
    checkClaims(claims.data, { audience: audienceOf(server), now: rules.now?.() ?? new Date(), skewMs });
    if (!facts.scopes.includes(serverScope(server))) throw new TokenError("missing-scope");
    return facts;
  };
}

function refuseOpenRules(algorithms: readonly string[], skewMs: number): void {
  // HS*: a published public key would be the secret. none: no signature at all.
  const open = algorithms.filter(
    (alg) => !/^(?:ES(?:256|384|512)|EdDSA|Ed25519|[RP]S(?:256|384|512))$/.test(alg),
  );
  if (open.length > 0 || algorithms.length === 0) {
    throw new TypeError(
      `allowedAlgorithms must name asymmetric signature algorithms only, not: ${open.join(", ")}`,
    );
  }
  if (!(skewMs >= 0 && skewMs <= MAX_SKEW_SECONDS * 1000)) {
    throw new TypeError(`skewSeconds must be between 0 and ${MAX_SKEW_SECONDS}`);
  }
}

/** Pure. The signature holds; is the token live, and for this resource? */
function checkClaims(claims: TokenClaims, expected: { audience: string; now: Date; skewMs: number }): void {
  const now = expected.now.getTime();
  if (![claims.aud].flat().includes(expected.audience)) throw new TokenError("wrong-audience");
  if (claims.exp * 1000 + expected.skewMs <= now) throw new TokenError("expired");
  const begin = Math.max(claims.nbf ?? 0, claims.iat ?? 0) * 1000;
  if (begin > now + expected.skewMs) throw new TokenError("not-yet-valid");
  // RFC 9449 section 7.2: who stole such a token must not be able to use it by calling it a bearer token.
  if (claims.cnf !== undefined) throw new TokenError("key-bound");
}

function factsOf(claims: TokenClaims, token: string): TokenFacts {
  const agent = claims.client_id ?? claims.azp ?? claims.sub;
  const scopes = claims.scope ?? claims.scp ?? [];
  return {
    issuer: claims.iss,
    subject: claims.sub,
    agent,
    ...(claims.sub !== agent && { user: claims.sub }),
    scopes: typeof scopes === "string" ? scopes.split(" ").filter((scope) => scope !== "") : scopes,
    expiresAt: new Date(claims.exp * 1000),
    hash: tokenHash(token),
  };
}
