import { generateKeyPairSync } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { createAuthority as createConstrained } from "@sallyport/certificates";

const days = 30;

/** Vouches inside one sandbox for the hosts that a credential is placed for, and by its constraints for no other. */
export interface CertificateAuthority {
  /** To be trusted inside, PEM. */
  readonly certificate: string;
  /** What a terminated connection to one of the hosts is answered with. */
  contextFor(host: string): SecureContext;
}

/**
 * Keys live in memory alone and end with the sandbox: nothing to steal from a disk. Who takes them reads nothing else of
 * the sandbox's.
 *
 * @param hosts at least one; addresses as well as names
 */
export function createAuthority(hosts: readonly string[], now = new Date()): CertificateAuthority {
  const authority = createConstrained(hosts, { name: "Sallyport sandbox", days, now });
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const contexts = new Map<string, SecureContext>();
  return {
    certificate: authority.certificate,
    contextFor(host) {
      const known = contexts.get(host);
      if (known !== undefined) return known;
      const own = authority.issue({ name: "Sallyport egress", publicKey, hosts: [host], days });
      const cert = own + authority.certificate;
      const fresh = createSecureContext({ key, cert, minVersion: "TLSv1.2" });
      contexts.set(host, fresh); // bounded: only the hosts of the constraints are asked for
      return fresh;
    },
  };
}
