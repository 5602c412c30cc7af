import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";

/**
 * Whom servers may be vouched for by: the system's authorities, and those in `authorities` (PEM). To be made once for many
 * doors: it holds every authority parsed, which takes 20 ms and a megabyte that Node's own heap does not count.
 */
export function upstreamTrust(authorities?: string): SecureContext {
  const all = [...getCACertificates("default"), ...(authorities === undefined ? [] : [authorities])];
  return createSecureContext({ ca: all });
}
