import { hash, randomBytes } from "node:crypto";

/** By which key an item was taken, and the hash of the token that its worker has for it. */
export interface Claim {
  /** The environment key's id. Revoked, it takes what was claimed with it along. */
  key: string;
  lease: string;
  tokenHash: string;
}

/** The token names its item, so that nothing is looked for by the secret itself. It is nowhere but with the worker. */
export function newClaim(item: string, key: string): { claim: Claim; token: string } {
  const token = `spit_${item}.${randomBytes(32).toString("base64url")}`;
  const lease = randomBytes(16).toString("base64url");
  return { token, claim: { key, lease, tokenHash: hash("sha256", token, "hex") } };
}

/** The item that a token names; undefined for what can be no token. */
export function itemOfToken(token: string): string | undefined {
  return /^spit_(work_[A-Za-z0-9_-]{22})\.[A-Za-z0-9_-]{43}$/.exec(token)?.[1];
}
