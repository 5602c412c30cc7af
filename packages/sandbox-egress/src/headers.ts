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
  const named = namedByConnection(headers);
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const written = headers[at] ?? "";
    const name = written.toLowerCase();
    if (HOP.has(name) || without.includes(name) || named.includes(name)) continue;
    kept.push(written, headers[at + 1] ?? "");
  }
  return kept;
}

function namedByConnection(headers: FlatHeaders): readonly string[] {
  const named: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2)
    if (isNamed(headers[at], "connection"))
      for (const token of (headers[at + 1] ?? "").split(",")) named.push(token.trim().toLowerCase());
  return named;
}

/** @param name in lower case */
export function isNamed(written: string | undefined, name: string): boolean {
  return written?.length === name.length && (written === name || written.toLowerCase() === name);
}

export function* pairs(headers: FlatHeaders): Generator<[name: string, value: string]> {
  for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at] ?? "", headers[at + 1] ?? ""];
}

/** Of all headers of this name, as one (RFC 9110, section 5.2). */
export function fieldValue(headers: FlatHeaders, name: string): string | undefined {
  const values = headers.filter((_, at) => at % 2 === 1 && isNamed(headers[at - 1], name));
  return values.length === 0 ? undefined : values.join(", ");
}
