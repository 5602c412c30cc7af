import { claimedVersion, type Message } from "@sallyport/mcp";

const CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities";

/** The stateless revision that this bridge turns into lines: of a later one it cannot say what a message means. */
const SUPPORTED = "2026-07-28";

const INVALID_PARAMS = -32602;
const UNSUPPORTED_VERSION = -32022;

export interface EnvelopeProblem {
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly supported: readonly string[]; readonly requested: string };
}

/**
 * Why a message of the stateless wire may not reach the process; undefined when it may. The revision asks a Streamable
 * HTTP server to refuse what lacks `_meta` (2026-07-28, "Request Metadata": 400, -32602) and a revision it does not
 * speak (-32022). Over stdio it is worse than invalid: a server that speaks both wires takes a message without a revision
 * for the older one and stays with it, so one malformed request would break every later one of its agent; and once it
 * has chosen, it looks at no revision any more.
 */
export function envelopeProblem(message: Message): EnvelopeProblem | undefined {
  if (message.kind === "response") return undefined;
  // Its HTTP request is closed instead: it never reaches the process.
  if (message.kind === "notification" && message.method === "notifications/cancelled") return undefined;
  const requested = claimedVersion(message);
  if (typeof requested !== "string") return invalid("_meta must name the protocolVersion");
  const { _meta: meta } = message.params;
  if (!isObject(meta) || !isObject(meta[CLIENT_CAPABILITIES_KEY]))
    return invalid("_meta must hold the clientCapabilities");
  if (requested === SUPPORTED) return undefined;
  return {
    code: UNSUPPORTED_VERSION,
    message: `Unsupported protocol version: this server speaks ${SUPPORTED}`,
    data: { supported: [SUPPORTED], requested: requested.slice(0, 64) },
  };
}

function invalid(message: string): EnvelopeProblem {
  return { code: INVALID_PARAMS, message };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
