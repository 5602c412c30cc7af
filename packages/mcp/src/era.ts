import type { Message } from "./message.ts";

/**
 * The two wires of MCP over HTTP. 2026-07-28 and later: stateless, every request says its revision in `_meta`. Before:
 * `initialize`, session ids, GET streams.
 */
export type Era = "2026-07-28" | "sessions";

export const PROTOCOL_VERSION_KEY = "io.modelcontextprotocol/protocolVersion";

/** The headers that mirror the body (2026-07-28, Streamable HTTP, "Request Metadata"), optional whitespace removed. */
export interface RoutingHeaders {
  readonly protocolVersion: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
}

/**
 * Takes `Object.entries(request.headers)`, a `Headers` or a list of pairs. Repeated headers are joined with a comma, as
 * HTTP says, and then agree with no body: two values for two readers is what the check is for.
 */
export function routingHeaders(
  entries: Iterable<readonly [string, string | readonly string[] | undefined]>,
): RoutingHeaders {
  const found: { protocolVersion?: string; method?: string; name?: string } = {};
  for (const [field, value] of entries) {
    if (value === undefined) continue;
    const target = targets.get(field.toLowerCase());
    if (!target) continue;
    const text = trimOws(typeof value === "string" ? value : value.join(", "));
    const before = found[target];
    found[target] = before === undefined ? text : `${before}, ${text}`;
  }
  return { protocolVersion: found.protocolVersion, method: found.method, name: found.name };
}

const targets = new Map<string, "protocolVersion" | "method" | "name">([
  ["mcp-protocol-version", "protocolVersion"],
  ["mcp-method", "method"],
  ["mcp-name", "name"],
]);

/**
 * The body decides, as in the official SDK: a message that names its revision is of the stateless wire whatever it names
 * (an unknown one is refused by the upstream with -32022). The header alone decides only where the body is silent.
 */
export function eraOf(headers: RoutingHeaders, message: Message): Era {
  if (message.kind !== "response" && claimedVersion(message) !== undefined) return "2026-07-28";
  const version = headers.protocolVersion;
  return version !== undefined && /^\d{4}-\d\d-\d\d$/.test(version) && version >= "2026-07-28"
    ? "2026-07-28"
    : "sessions";
}

/** The revision named in `_meta`, of whatever JSON type; undefined when none is. */
export function claimedVersion(message: Exclude<Message, { kind: "response" }>): unknown {
  const meta = message.params._meta;
  return typeof meta === "object" && meta !== null && PROTOCOL_VERSION_KEY in meta
    ? meta[PROTOCOL_VERSION_KEY]
    : undefined;
}

/** Space and tab around a field value are not part of it (RFC 9110 section 5.5). */
function trimOws(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isOws(value.charCodeAt(start))) start++;
  while (end > start && isOws(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isOws(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
