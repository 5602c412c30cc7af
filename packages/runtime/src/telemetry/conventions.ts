import { type Attributes, metrics } from "@opentelemetry/api";

/**
 * Names of OpenTelemetry's semantic conventions for MCP (status: development).
 * Source: open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md.
 */
export const mcp = {
  methodName: "mcp.method.name",
  protocolVersion: "mcp.protocol.version",
  sessionId: "mcp.session.id",
  resourceUri: "mcp.resource.uri",
  toolName: "gen_ai.tool.name",
  promptName: "gen_ai.prompt.name",
  /** `execute_tool` for a tool call, absent for everything else. */
  operationName: "gen_ai.operation.name",
  requestId: "jsonrpc.request.id",
  /** The JSON-RPC error's code, as text. */
  statusCode: "rpc.response.status_code",
  /** The JSON-RPC error's code as text, or `tool_error` for a result with `isError`. */
  errorType: "error.type",
  /** `tcp` or `quic` for HTTP, `pipe` for stdio. */
  transport: "network.transport",
  protocolName: "network.protocol.name",
  serverAddress: "server.address",
  serverPort: "server.port",
} as const;

/** The methods of the conventions and of MCP 2026-07-28 with its tasks extension. Any other name is the caller's choice and would be a label of its own. */
const methods = new Set([
  "completion/complete",
  "elicitation/create",
  "initialize",
  "logging/setLevel",
  "notifications/cancelled",
  "notifications/initialized",
  "notifications/message",
  "notifications/progress",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/roots/list_changed",
  "notifications/tools/list_changed",
  "ping",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/subscribe",
  "resources/templates/list",
  "resources/unsubscribe",
  "roots/list",
  "sampling/createMessage",
  "server/discover",
  "subscriptions/listen",
  "tasks/cancel",
  "tasks/get",
  "tasks/update",
  "tools/call",
  "tools/list",
]);

const other = "_OTHER";

/** What a span or a measurement of one MCP message is about. */
export interface McpOperation {
  method: string;
  /** The tool of `tools/call` or the prompt of `prompts/get`. */
  target?: string | undefined;
  protocolVersion?: string | undefined;
}

/**
 * `{mcp.method.name} {target}`, for example `tools/call get-weather`. A resource's URI is no target: too many different
 * names. An unknown method is `_OTHER` here, because span names are for grouping; the attribute has it in full.
 */
export function mcpSpanName({ method, target }: McpOperation): string {
  const known = methods.has(method) ? method : other;
  return target === undefined || !hasTarget(method) ? known : `${known} ${target.slice(0, 128)}`;
}

/** The attributes that every span of one MCP message has. Never arguments or results. */
export function mcpAttributes({ method, target, protocolVersion }: McpOperation): Attributes {
  const attributes: Attributes = { [mcp.methodName]: method.slice(0, 128) };
  if (method === "tools/call") attributes[mcp.operationName] = "execute_tool";
  if (target !== undefined && hasTarget(method)) {
    attributes[method === "tools/call" ? mcp.toolName : mcp.promptName] = target.slice(0, 256);
  }
  if (protocolVersion !== undefined) attributes[mcp.protocolVersion] = protocolVersion;
  return attributes;
}

function hasTarget(method: string): boolean {
  return method === "tools/call" || method === "prompts/get";
}

/**
 * Measures MCP operations: `mcp.server.operation.duration` where requests arrive, `mcp.client.operation.duration` where
 * they are sent on. Take it after telemetry has started. Seconds; the buckets are the convention's.
 */
export function mcpDuration(side: "server" | "client") {
  const histogram = metrics.getMeter("sallyport.mcp").createHistogram(`mcp.${side}.operation.duration`, {
    unit: "s",
    advice: { explicitBucketBoundaries: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] },
  });
  return (seconds: number, operation: McpOperation, errorType?: string): void => {
    const attributes = mcpAttributes(operation);
    // One label a known method: a caller that invents methods must not fill the meter's memory.
    if (!methods.has(operation.method)) attributes[mcp.methodName] = other;
    if (errorType !== undefined) attributes[mcp.errorType] = errorType;
    histogram.record(seconds, attributes);
  };
}
