export type Header = [name: string, value: string];

/**
 * What an agent's request may say to an upstream; all else stays here. Left out on purpose: `authorization`, `cookie`,
 * `proxy-*` (a credential comes from us alone), `host`, `forwarded`, `x-forwarded-*` (they claim who is calling),
 * `user-agent` (the vendor's, an echo path), `mcp-session-id` and trace context, which the caller sets itself.
 */
const REQUEST = new Set([
  "accept",
  "accept-language",
  "content-type",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
]);
const REQUEST_PREFIX = "mcp-param-";

/**
 * What an upstream's answer may say to an agent. Left out on purpose: `set-cookie`, `www-authenticate` (the agent has
 * no business with the upstream's login), `alt-svc`, `location` (they lead off the route), `server`, and
 * `content-encoding`, since the body was unpacked.
 */
const RESPONSE = new Set([
  "allow",
  "cache-control",
  "content-language",
  "content-type",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "retry-after",
]);
const RESPONSE_PREFIX = "mcp-param-";

/** Field content as HTTP sends it (RFC 9110, section 5.5), without obsolete bytes. Anything else ends the line early. */
const VALUE = /^[\t\x20-\x7e]*$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The headers of an agent's request that go on, names in lower case. */
export function forwardableRequestHeaders(headers: readonly Header[]): Header[] {
  return forwardable(headers, (name) => REQUEST.has(name) || name.startsWith(REQUEST_PREFIX));
}

/** The headers of an upstream's answer that go back, names in lower case. Their values still pass the scrubber. */
export function forwardableResponseHeaders(headers: readonly Header[]): Header[] {
  return forwardable(headers, (name) => RESPONSE.has(name) || name.startsWith(RESPONSE_PREFIX));
}

function forwardable(headers: readonly Header[], passes: (name: string) => boolean): Header[] {
  return headers
    .map(([name, value]): Header => [name.toLowerCase(), value])
    .filter(([name, value]) => passes(name) && TOKEN.test(name) && VALUE.test(value));
}
