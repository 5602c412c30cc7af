import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** The token that a server demands: fixed, or read anew each time so that a rotated file takes effect. */
export type TokenSource = string | (() => string);

/** Reads a token from a file at each use. An empty file is an error: it must never mean "no token needed". */
export function tokenFromFile(path: string): () => string {
  const read = () => {
    const token = readFileSync(path, "utf8").trim();
    if (token === "") throw new Error(`token file ${path} is empty`);
    return token;
  };
  read(); // a wrong path stops the start, not the first request
  return read;
}

/** Whether the Authorization header carries the demanded token. Compared as digests, in constant time. */
export function bearerMatches(header: string | undefined, demanded: TokenSource): boolean {
  const offered = /^Bearer ([^\s]+)$/i.exec(header ?? "")?.[1];
  if (offered === undefined) return false;
  const expected = typeof demanded === "string" ? demanded : demanded();
  return timingSafeEqual(digest(offered), digest(expected));
}

const digest = (value: string) => createHash("sha256").update(value).digest();
