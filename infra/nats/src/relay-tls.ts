interface Tls {
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

/** Without it the client would believe a relay, or whoever is in its place, that says it has no TLS. */
export function relayTls(servers: readonly string[], tls: Tls | undefined): { tls: Tls } | undefined {
  if (tls !== undefined) return { tls };
  return servers.some((url) => url.startsWith("tls:")) ? { tls: {} } : undefined;
}
