import { GrantClaims, MAX_GRANT_SECONDS } from "./claims.ts";
import { GrantError } from "./error.ts";

/** What an agent may use, for how long, through which session. Times have whole seconds. */
export interface GrantFacts {
  /** Unique; the name of this grant in records, leases and revocations. Not secret. */
  id: string;
  edge: string;
  agent: string;
  /** For whom the agent acts, if for somebody. */
  user?: string;
  tenant: string;
  server: string;
  scopes: readonly string[];
  /** `tokenHash` of the agent's access token. */
  tokenHash: string;
  tokenIssuer: string;
  connector: string;
  /** The seal session in which alone the grant counts. */
  session: string;
  issuedAt: Date;
  expiresAt: Date;
}

/** When a grant made now ends: in five minutes, or with the token. */
export function grantEnd(now: Date, tokenEnd: Date): Date {
  return new Date(Math.min(now.getTime() + MAX_GRANT_SECONDS * 1000, tokenEnd.getTime()));
}

/** @throws GrantError `malformed` when a fact does not fit its claim */
export function claimsOf(facts: GrantFacts): GrantClaims {
  const { scopes } = facts;
  // Joined, a scope with a space in it would read as two.
  if (scopes.some((scope) => scope === "" || scope.includes(" "))) throw new GrantError("malformed");
  const parsed = GrantClaims.safeParse({
    iss: `edge:${facts.edge}`,
    aud: `sallyport:${facts.tenant}`,
    sub: facts.agent,
    txn: facts.id,
    jti: facts.id,
    // Rounded down, both: a grant never gets longer by rounding.
    iat: Math.floor(facts.issuedAt.getTime() / 1000),
    exp: Math.floor(facts.expiresAt.getTime() / 1000),
    scope: scopes.join(" "),
    tctx: {
      tenant: facts.tenant,
      server: facts.server,
      connector: facts.connector,
      session: facts.session,
      token: facts.tokenHash,
      issuer: facts.tokenIssuer,
      ...(facts.user !== undefined && { user: facts.user }),
    },
  });
  if (!parsed.success) throw new GrantError("malformed", { cause: parsed.error });
  return parsed.data;
}

export function factsOf(claims: GrantClaims): GrantFacts {
  const { tctx } = claims;
  return {
    id: claims.jti,
    edge: claims.iss.slice("edge:".length),
    agent: claims.sub,
    ...(tctx.user !== undefined && { user: tctx.user }),
    tenant: tctx.tenant,
    server: tctx.server,
    scopes: claims.scope === "" ? [] : claims.scope.split(" "),
    tokenHash: tctx.token,
    tokenIssuer: tctx.issuer,
    connector: tctx.connector,
    session: tctx.session,
    issuedAt: new Date(claims.iat * 1000),
    expiresAt: new Date(claims.exp * 1000),
  };
}
