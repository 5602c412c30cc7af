import { TokenError, type TokenFacts } from "@sallyport/grant";
import { challenge } from "../http/metadata.ts";
import { problem } from "../http/refusal.ts";
import type { Caller } from "../tunnel/grants.ts";

const maxTokenBytes = 16 * 1024;
const maxRemembered = 20_000;

export interface AuthenticateDeps {
  verify(token: string, server: string): Promise<TokenFacts>;
  isRevoked(facts: TokenFacts, server: string): boolean;
  publicUrl: string;
  now(): Date;
}

/**
 * Who calls: the bearer of a token that the issuer signed for this very server. A token is verified when it first
 * comes, and then known until it ends; whether it was revoked is asked every time.
 */
export function authenticator(deps: AuthenticateDeps) {
  const verified = new Map<string, TokenFacts>();

  return async function authenticate(authorization: string | undefined, server: string): Promise<Caller> {
    const refuse = (
      status: 401 | 403,
      error?: { code: "invalid_token" | "insufficient_scope"; description: string },
    ) =>
      problem(status, error?.description ?? "an access token is needed", {
        "www-authenticate": challenge({ publicUrl: deps.publicUrl, server }, error),
      });
    if (authorization === undefined) throw refuse(401);
    const token = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization)?.[1];
    if (token === undefined || token.length > maxTokenBytes) {
      throw refuse(401, {
        code: "invalid_token",
        description: "the Authorization header holds no bearer token",
      });
    }
    const key = `${server} ${token}`;
    const facts =
      verified.get(key) ??
      (await deps.verify(token, server).catch((error: unknown) => {
        throw refusalOf(error, refuse);
      }));
    remember(verified, key, facts);
    if (facts.expiresAt <= deps.now()) {
      verified.delete(key);
      throw refuse(401, { code: "invalid_token", description: "the token has expired" });
    }
    if (deps.isRevoked(facts, server)) {
      throw refuse(401, { code: "invalid_token", description: "the token was revoked" });
    }
    return { facts, token };
  };
}

type Refuse = (
  status: 401 | 403,
  error?: { code: "invalid_token" | "insufficient_scope"; description: string },
) => Error;

/** RFC 6750 section 3.1: what the agent is told of a token that was not accepted. */
function refusalOf(error: unknown, refuse: Refuse): unknown {
  if (!(error instanceof TokenError)) return error;
  if (error.code === "keys-unavailable")
    return problem(503, "the issuer's keys cannot be read now; try again");
  if (error.code === "missing-scope") {
    return refuse(403, {
      code: "insufficient_scope",
      description: "the token's scope does not cover this server",
    });
  }
  return refuse(401, { code: "invalid_token", description: describe(error) });
}

/** Bounded: the oldest goes, and is verified again when it comes back. */
function remember(verified: Map<string, TokenFacts>, key: string, facts: TokenFacts): void {
  if (verified.has(key)) return;
  if (verified.size >= maxRemembered) {
    const oldest = verified.keys().next().value;
    if (oldest !== undefined) verified.delete(oldest);
  }
  verified.set(key, facts);
}

function describe(error: TokenError): string {
  switch (error.code) {
    case "expired":
      return "the token has expired";
    case "wrong-audience":
      return "the token is not for this server";
    case "wrong-issuer":
      return "the token is from another issuer";
    default:
      return "the token cannot be verified";
  }
}
