import { z } from "zod";

const Text = z.string().min(1).max(512);
const Seconds = z.number().min(0).max(253_402_300_799);

/** `crit` is absent on purpose: a token with an extension that must be understood fails as malformed. */
export const TokenHeader = z.object({
  alg: z.string().max(32),
  kid: z.string().max(256).optional(),
  typ: z.string().max(64).optional(),
  crit: z.undefined().optional(),
});

/** The claims that are read (RFC 9068; `scp` and `azp` as some issuers have them). Others are ignored. */
export const TokenClaims = z.object({
  iss: Text,
  sub: Text,
  aud: z.union([Text, z.array(Text).min(1).max(32)]),
  exp: Seconds,
  nbf: Seconds.optional(),
  iat: Seconds.optional(),
  client_id: Text.optional(),
  azp: Text.optional(),
  scope: z.string().max(4096).optional(),
  scp: z.union([z.string().max(4096), z.array(Text).max(128)]).optional(),
  cnf: z.unknown().optional(),
});
export type TokenClaims = z.infer<typeof TokenClaims>;

const ACCESS_TOKEN_TYPES = new Set(["jwt", "at+jwt", "application/at+jwt"]);

/** Keeps other signed JWTs of the same issuer out (logout tokens, DPoP proofs, …). Media types have no case. */
export function isAccessTokenType(typ: string | undefined): boolean {
  return typ === undefined || ACCESS_TOKEN_TYPES.has(typ.toLowerCase());
}
