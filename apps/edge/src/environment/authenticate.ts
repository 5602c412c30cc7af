import { hash } from "node:crypto";
import { ApiFailure } from "./api-failure.ts";
import { type Claim, itemOfToken } from "./claim.ts";
import { type EnvironmentKeys, type KnownKey, sameHash } from "./keys.ts";

/** By whose right a worker calls: its environment's key, or the token of one item that it has. */
export type Worker = { by: "key"; key: KnownKey } | { by: "item"; item: string; claim: Claim };

export interface AuthenticateDeps {
  keys: Pick<EnvironmentKeys, "find" | "has">;
  claimOf(item: string): Claim | undefined;
}

/** Throws 401 for everything else: unknown, revoked, of an item that was taken by another since, or no bearer token. */
export function authenticateWorker(deps: AuthenticateDeps, authorization: string | undefined): Worker {
  const token = /^Bearer ([\x21-\x7e]{1,512})$/.exec(authorization ?? "")?.[1];
  if (token !== undefined) {
    const key = deps.keys.find(token);
    if (key !== undefined) return { by: "key", key };
    const item = itemOfToken(token);
    const claim = item === undefined ? undefined : deps.claimOf(item);
    const good = claim !== undefined && sameHash(claim.tokenHash, hash("sha256", token, "hex"));
    if (item !== undefined && good && deps.keys.has(claim.key)) return { by: "item", item, claim };
  }
  throw new ApiFailure(401, "invalid bearer token: it is unknown, was revoked, or its lease is another's");
}
