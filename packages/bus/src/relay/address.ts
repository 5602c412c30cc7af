/** Where a relay is, as one entry of `nats.servers` says it. */
export interface RelayAddress {
  /** As it was written: what logs and errors call it. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly websocket: boolean;
  /** Of a WebSocket; `/` for the others. */
  readonly path: string;
}

const schemes: Readonly<Record<string, { port: number; tls: boolean; websocket: boolean }>> = {
  "nats:": { port: 4222, tls: false, websocket: false },
  "tls:": { port: 4222, tls: true, websocket: false },
  "ws:": { port: 80, tls: false, websocket: true },
  "wss:": { port: 443, tls: true, websocket: true },
};
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

/** Pure. The scheme alone says whether it is TLS: what a server says of itself in clear can be taken out on the way. */
export function readRelayAddress(text: string): RelayAddress | { problem: string } {
  if (!URL.canParse(text)) return { problem: "a URL like tls://relay.example.com:4222" };
  const url = new URL(text);
  const scheme = schemes[url.protocol];
  if (scheme === undefined) return { problem: "a tls:// or wss:// URL; nats:// and ws:// for loopback" };
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (!/^[\w.:-]{1,253}$/.test(host)) return { problem: "a URL with the relay's host name or address" };
  if (url.username !== "" || url.password !== "") {
    return { problem: "a URL without a login: who this zone is stands in nats.creds" };
  }
  if (url.search !== "" || url.hash !== "" || (!scheme.websocket && !/^\/?$/.test(url.pathname))) {
    return { problem: "a URL of host and port alone; wss:// may have a path" };
  }
  if (!scheme.tls && !loopback.test(host)) {
    const safe = scheme.websocket ? "wss" : "tls";
    return {
      problem: `${safe}://: without TLS whoever is on the way reads and writes along; ${url.protocol}// is for loopback alone`,
    };
  }
  const port = url.port === "" ? scheme.port : Number(url.port);
  return { ...scheme, url: text, host, port, path: url.pathname || "/" };
}

export function relayAddressProblem(text: string): string | undefined {
  const address = readRelayAddress(text);
  return "problem" in address ? address.problem : undefined;
}

/**
 * The order in which servers are tried: those of one scheme are alike and are shuffled, so that not everybody goes to
 * the same; another scheme is a way around, and waits for its turn.
 */
export function tryOrder(servers: readonly string[], random: () => number = Math.random): string[] {
  const scheme = (server: string) => server.slice(0, server.indexOf(":"));
  const rank = new Map<string, number>();
  for (const server of servers) if (!rank.has(scheme(server))) rank.set(scheme(server), rank.size);
  return servers
    .map((server) => ({ server, rank: rank.get(scheme(server)) ?? 0, lot: random() }))
    .sort((a, b) => a.rank - b.rank || a.lot - b.lot)
    .map(({ server }) => server);
}
