import { hash } from "node:crypto";
import { SealError } from "./error.ts";
import { PRIVATE_KEY_BYTES, PUBLIC_KEY_BYTES, suite } from "./suite.ts";

const PUBLIC_PREFIX = "spk1.";
const PRIVATE_PREFIX = "ssk1.";

export interface RecipientKeyPair {
  /** Text, safe to publish: `spk1.` and base64url; the digit names the HPKE suite. About 1.6 kB. */
  publicKey: string;
  /** 32 bytes, the seed of both KEM keys. Write it with {@link privateKeyText}, to a file only. */
  privateKey: Uint8Array;
}

export interface PublicKey {
  readonly text: string;
  readonly bytes: Uint8Array;
}

export async function generateRecipientKey(): Promise<RecipientKeyPair> {
  const pair = await suite.GenerateKeyPair(true);
  const publicKey = Buffer.from(await suite.SerializePublicKey(pair.publicKey));
  return {
    publicKey: PUBLIC_PREFIX + publicKey.toString("base64url"),
    privateKey: await suite.SerializePrivateKey(pair.privateKey),
  };
}

/** @throws SealError `bad-key`: another version, a wrong length, or not the one canonical spelling. */
export function parsePublicKey(text: string): PublicKey {
  return { text, bytes: decode(text, PUBLIC_PREFIX, PUBLIC_KEY_BYTES) };
}

/**
 * What two people read to each other when a connector is enrolled: 160 bits of SHA-256 over the key's text,
 * as ten groups of four hex digits.
 */
export function fingerprint(publicKey: string): string {
  const digits = hash("sha256", parsePublicKey(publicKey).text, "hex").slice(0, 40);
  return digits.replace(/(.{4})(?!$)/g, "$1-");
}

/** The text form for a key file: `ssk1.` and base64url. It is a secret. */
export function privateKeyText(privateKey: Uint8Array): string {
  if (privateKey.length !== PRIVATE_KEY_BYTES) throw new SealError("bad-key");
  return PRIVATE_PREFIX + Buffer.from(privateKey).toString("base64url");
}

/** Reads what {@link privateKeyText} wrote, with or without a line end. @throws SealError `bad-key` */
export function readPrivateKeyText(text: string): Uint8Array {
  return decode(text.replace(/\r?\n$/, ""), PRIVATE_PREFIX, PRIVATE_KEY_BYTES);
}

/**
 * A key file's keys, newest first: one to a line, and two while one takes the other's place.
 * @throws SealError `bad-key`, for more than two as well
 */
export function readPrivateKeys(text: string): readonly Uint8Array[] {
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  if (lines.length > 2) throw new SealError("bad-key");
  return lines.map(readPrivateKeyText);
}

function decode(text: string, prefix: string, bytes: number): Uint8Array {
  // The length is checked first: a huge text is refused before it is decoded.
  const size = prefix.length + Math.ceil((bytes * 4) / 3);
  if (text.length !== size || !text.startsWith(prefix)) throw new SealError("bad-key");
  const encoded = text.slice(prefix.length);
  const decoded = Buffer.from(encoded, "base64url");
  // One key has one spelling. Otherwise two texts, with two fingerprints, would be the same key.
  if (decoded.toString("base64url") !== encoded) throw new SealError("bad-key");
  return decoded;
}
