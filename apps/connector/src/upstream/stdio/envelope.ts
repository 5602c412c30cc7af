import { claimedVersion, type Message } from "@sallyport/mcp";

const CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities";

/**
 * Why a message of the stateless wire may not reach the process; undefined when it may. The revision asks a Streamable
 * HTTP server to refuse what lacks `_meta` (2026-07-28, "Request Metadata": 400, -32602). Over stdio it is worse than
 * invalid: a server that speaks both wires takes such a message for the older one and stays with it, so one malformed
 * request would break every later one of its agent.
 */
export function envelopeProblem(message: Message): string | undefined {
  if (message.kind === "response") return undefined;
  // Its HTTP request is closed instead: it never reaches the process.
  if (message.kind === "notification" && message.method === "notifications/cancelled") return undefined;
  if (typeof claimedVersion(message) !== "string") return "_meta must name the protocolVersion";
  const { _meta: meta } = message.params;
  return isObject(meta) && isObject(meta[CLIENT_CAPABILITIES_KEY])
    ? undefined
    : "_meta must hold the clientCapabilities";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
