import type { IncomingMessage } from "node:http";
import { problem } from "./refusal.ts";

/** Headers of which two values would let two readers disagree about who calls or what is asked. */
const single = new Set([
  "authorization",
  "host",
  "origin",
  "content-length",
  "content-type",
  "transfer-encoding",
  "mcp-session-id",
  "mcp-protocol-version",
  "mcp-method",
  "mcp-name",
  "last-event-id",
]);

export interface Addressing {
  /** `host` or `host:port`, lower case, that this edge answers for. */
  hosts: ReadonlySet<string>;
  origins: ReadonlySet<string>;
}

/**
 * What an HTTP request must be before anyone asks who sent it: addressed to this edge (421 stops DNS rebinding), from
 * an origin that may call (403), with each deciding header once, and with nothing in the query: a token in a URL ends
 * up in logs (OAuth 2.1 section 5.1.1 forbids it).
 */
export function checkRequest(request: IncomingMessage, addressing: Addressing): void {
  const seen = new Set<string>();
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = (request.rawHeaders[at] as string).toLowerCase();
    if (!single.has(name)) continue;
    if (seen.has(name)) throw problem(400, `the header ${name} is there twice`);
    seen.add(name);
  }
  const host = request.headers.host?.toLowerCase();
  if (host === undefined || !addressing.hosts.has(host)) {
    throw problem(421, "this server does not answer for that host: use its public URL");
  }
  const { origin } = request.headers;
  if (origin !== undefined && !addressing.origins.has(origin.toLowerCase())) {
    throw problem(403, "this origin may not call: add it to allowedOrigins");
  }
  const query = request.url?.indexOf("?") ?? -1;
  if (query >= 0) {
    const params = new URLSearchParams(request.url?.slice(query + 1));
    if (params.has("access_token")) {
      throw problem(
        400,
        "an access token in the URL is refused: send it in the Authorization header and treat it as leaked",
      );
    }
    throw problem(400, "this endpoint takes no query");
  }
}
