/** They speak to the next hop (RFC 9110, section 7.6.1), or to this proxy. `transfer-encoding` is set anew. */
const HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Flat: name, value, name, value. */
export type FlatHeaders = readonly string[];

/** What goes on to the other side: all but what is for this hop, and what `Connection` names so. */
export function endToEnd(headers: FlatHeaders, without: readonly string[] = []): string[] {
  const named = new Set(without);
  for (const [name, value] of pairs(headers))
    if (name.toLowerCase() === "connection")
      for (const token of value.split(",")) named.add(token.trim().toLowerCase());
  return [...pairs(headers)]
    .filter(([name]) => !HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase()))
    .flat();
}

export function* pairs(headers: FlatHeaders): Generator<[name: string, value: string]> {
  for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at] ?? "", headers[at + 1] ?? ""];
}
