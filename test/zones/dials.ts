/**
 * Who may dial whom: the one table of what the network between zones lets through. The firewall of the tests is made from
 * it, the deploy guide shows it, and everything that is not in it is dropped.
 */
export const places = [
  "agent",
  "issuer",
  "edge",
  "relay",
  "connector",
  "servers",
  "database",
  "runner",
  "broker",
  "vault",
  "collector",
  "operator",
] as const;
export type Place = (typeof places)[number];

/** What listens, on which TCP port. A place that is not here listens on nothing. */
export const listens: Partial<Record<Place, number>> = {
  edge: 8443,
  relay: 4222,
  issuer: 9443,
  servers: 8080,
  database: 5432,
  vault: 8200,
};

/** To the one port of each that is named. A place that is not here dials nothing. */
const dials: Partial<Record<Place, readonly Place[]>> = {
  agent: ["edge", "issuer"],
  edge: ["relay", "issuer"],
  connector: ["relay", "issuer", "servers", "database"],
  runner: ["relay", "issuer", "servers"],
  broker: ["relay", "vault"],
  vault: ["database"],
  collector: ["relay"],
  operator: ["relay"],
};

export function mayDial(from: Place, to: Place, port: number): boolean {
  return listens[to] === port && (dials[from]?.includes(to) ?? false);
}

/** The table as rules of nftables: what is not allowed is counted by pair, and dropped. */
export function firewall(interfaceOf: (place: Place) => string): string {
  const pairs = places.flatMap((from) => places.flatMap((to) => (from === to ? [] : [[from, to] as const])));
  const over = (from: Place, to: Place) => `iifname "${interfaceOf(from)}" oifname "${interfaceOf(to)}"`;
  const allowed = places.flatMap((from) =>
    (dials[from] ?? []).map((to) => `${over(from, to)} tcp dport ${listens[to]} accept`),
  );
  return [
    "table inet zones {",
    ...pairs.map(([from, to]) => `  counter ${from}_to_${to} { }`),
    "  chain forwarding {",
    "    type filter hook forward priority 0; policy drop;",
    "    ct state established,related accept",
    ...allowed.map((rule) => `    ${rule}`),
    ...pairs.map(([from, to]) => `    ${over(from, to)} counter name ${from}_to_${to} drop`),
    "  }",
    "}",
    "",
  ].join("\n");
}
