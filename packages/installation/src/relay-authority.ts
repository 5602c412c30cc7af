import { generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { type Authority, createAuthority, readAuthority } from "@sallyport/certificates";

const relayDays = 730;

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
  return {
    authority: { certificate: authority.certificate, key: pemOf(authority.privateKey) },
    relay: issueFor(authority, hosts, relayDays),
  };
}

/**
 * The relay's key and certificate anew, by the authority that vouches for it already: zones need not hear of it. It counts
 * for two years, and never longer than its authority.
 *
 * @throws where the key is not the authority's, or its time is over
 */
export function renewRelayCertificate(
  authority: CertificateAndKey,
  hosts: readonly string[],
  now = new Date(),
): CertificateAndKey {
  const left = +new X509Certificate(authority.certificate).validToDate - +now;
  const days = Math.min(relayDays, Math.floor(left / 86_400_000));
  if (days < 1) throw new Error("the relay's authority has come to its end");
  return issueFor(readAuthority(authority, now), hosts, days);
}

function issueFor(authority: Authority, hosts: readonly string[], days: number): CertificateAndKey {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = authority.issue({ name: "Sallyport relay", publicKey, hosts, days });
  return { certificate, key: pemOf(privateKey) };
}

const pemOf = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
