import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { GrantFacts } from "./grant.ts";
import type { TokenFacts } from "./token.ts";

/** Whole seconds, as grants have them. */
export const NOW = new Date("2026-11-24T12:00:00Z");
export const after = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
export const seconds = (date: Date) => date.getTime() / 1000;

export const edgeKeys = generateKeyPairSync("ed25519");

export const facts: GrantFacts = {
  id: "g-1",
  edge: "e1",
  agent: "agent-7",
  user: "ada",
  tenant: "acme",
  server: "orders",
  scopes: ["mcp:orders", "openid"],
  tokenHash: "A".repeat(43),
  tokenIssuer: "https://issuer.example",
  connector: "acme.c1",
  session: "s".repeat(22),
  issuedAt: NOW,
  expiresAt: after(300),
};

export const token: TokenFacts = {
  issuer: facts.tokenIssuer,
  subject: "ada",
  agent: facts.agent,
  user: "ada",
  scopes: ["openid", "mcp:orders", "more"],
  expiresAt: after(3600),
  hash: facts.tokenHash,
};

function part(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString("base64url");
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** A JWS by hand, so that it can be wrong in any way. Header and payload may be given as text or bytes. */
export function jws(
  header: unknown,
  payload: unknown,
  signer: KeyObject | ((input: string) => Buffer),
): string {
  const input = `${part(header)}.${part(payload)}`;
  const signature = typeof signer === "function" ? signer(input) : sign(null, Buffer.from(input), signer);
  return `${input}.${signature.toString("base64url")}`;
}

/** The same signature bytes: the unused bits of the last base64url character are others. */
export function respelled(jwt: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return jwt.slice(0, -1) + alphabet[alphabet.indexOf(jwt.slice(-1)) ^ 1];
}
