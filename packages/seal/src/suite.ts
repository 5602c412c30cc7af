import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from "hpke";

/**
 * The one HPKE suite (RFC 9180; KEM from draft-ietf-hpke-pq): ML-KEM-768 with X25519, HKDF-SHA256,
 * AES-256-GCM. Breaking it takes breaking both KEMs, so traffic recorded today stays closed to a later
 * quantum computer. There is no negotiation, hence no downgrade: another suite is another version number.
 */
export const suite = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** First byte of hello, reply and box; also the digit in the text form of a key. */
export const VERSION = 1;

/** Sizes in bytes, constant for the suite. */
export const ENCAPSULATION_BYTES = suite.KEM.Nenc;
export const PUBLIC_KEY_BYTES = suite.KEM.Npk;
export const PRIVATE_KEY_BYTES = suite.KEM.Nsk;
export const TAG_BYTES = suite.AEAD.Nt;

/** Separates one use of a secret from every other; NUL ends it, so no label is a prefix of another. */
export function label(purpose: string): Buffer {
  return Buffer.from(`sallyport seal v${VERSION} ${purpose}\0`, "utf8");
}
