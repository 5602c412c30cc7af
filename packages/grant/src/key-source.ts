import { type CryptoKey, createLocalJWKSet, errors } from "jose";
import { z } from "zod";
import { TokenError } from "./error.ts";
import { parseStrictJson } from "./strict-json.ts";

/** What a token's header says about its key. Chosen by whoever made the token: only a hint. */
export interface KeyHint {
  alg: string;
  kid?: string;
}

/** Where an issuer's public keys come from. */
export interface KeySource {
  /** @throws TokenError `unknown-key`, `keys-unavailable` (retryable) */
  keyFor(hint: KeyHint): Promise<CryptoKey>;
}

/** One JWK Set (RFC 7517). @returns undefined when no key in it fits */
export type KeySet = (hint: KeyHint) => Promise<CryptoKey | undefined>;

/** A JWK Set may have this many bytes, and this many keys. */
export const MAX_JWKS_BYTES = 256 * 1024;
const Jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

/** @throws Error when the text is no JWK Set with at least one public key, or holds a private one */
export function parseKeySet(text: string): KeySet {
  const { keys } = Jwks.parse(parseStrictJson(text));
  if (keys.some((key) => "d" in key))
    throw new Error("the JWK Set holds a private key: publish public keys only");
  // Symmetric keys cannot verify what others sign, and have no business in a published set.
  const asymmetric = keys.filter((key) => key.kty !== "oct");
  if (asymmetric.length === 0) throw new Error("the JWK Set holds no public key");
  const find = createLocalJWKSet({ keys: asymmetric });
  return async ({ alg, kid }) => {
    try {
      return await find(kid === undefined ? { alg } : { alg, kid });
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey) return undefined;
      // Several keys fit (a token without `kid`), or the one that fits is unusable: no guessing.
      throw new TokenError("unknown-key", { cause });
    }
  };
}
