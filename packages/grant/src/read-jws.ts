import { parseStrictJson } from "./strict-json.ts";

export interface ReadJws {
  /** Parsed, not verified. */
  readonly header: unknown;
  readonly payload: unknown;
}

const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/;

/**
 * Reads a compact JWS without verifying it. The signature is over this very text, so what is read here is what
 * it covers, once it has been verified. Every part must have its one canonical spelling: the last character of
 * base64url has unused bits, and a signature respelled there would hold too. `undefined` when it is too long (in characters) or not readable.
 */
export function readJws(jwt: string, maxLength: number): ReadJws | undefined {
  if (jwt.length > maxLength) return undefined;
  const [, header, payload, signature] = COMPACT.exec(jwt) ?? [];
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  if (![header, payload, signature].every(isCanonical)) return undefined;
  try {
    return { header: parsePart(header), payload: parsePart(payload) };
  } catch {
    return undefined;
  }
}

function isCanonical(part: string): boolean {
  return Buffer.from(part, "base64url").toString("base64url") === part;
}

function parsePart(part: string): unknown {
  return parseStrictJson(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(part, "base64url")));
}
