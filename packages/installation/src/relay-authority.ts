import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createAuthority } from "@sallyport/certificates";

/** PEM, both; the key is a secret. */
export interface CertificateAndKey {
  certificate: string;
  key: string;
}

/**
 * An authority for one relay, and the relay's own certificate for these hosts (names or addresses). It vouches for these
 * hosts and no other: who steals it impersonates this relay alone.
 *
 * The authority counts for ten years, the relay's certificate for two.
 */
export function createRelayAuthority(
  hosts: readonly string[],
  now = new Date(),
): { authority: CertificateAndKey; relay: CertificateAndKey } {
  const authority = createAuthority(hosts, { name: "Sallyport relay authority", days: 3650, now });
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = authority.issue({ name: "Sallyport relay", publicKey, hosts, days: 730 });
  return {
    authority: { certificate: authority.certificate, key: pemOf(authority.privateKey) },
    relay: { certificate, key: pemOf(privateKey) },
  };
}

const pemOf = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
