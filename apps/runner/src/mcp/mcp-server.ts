import {
  type CallToolResult,
  type ListToolsResult,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { sandboxTools, type Tool, type ToolProgress } from "../tools/tool.ts";

const instructions = [
  "A private Linux sandbox: bash, files and processes, behind no door but one. Its network is closed except for the hosts that policy allows.",
  "Credentials inside are placeholders that work at the hosts they belong to and nowhere else. When the sandbox ends, its files are lost: bring out what is to be kept.",
].join(" ");

export interface WireCall {
  readonly tool: Tool;
  readonly input: Record<string, unknown>;
  /** Aborted by `notifications/cancelled`, a closed stream, and the end of the session. */
  readonly signal: AbortSignal;
  readonly progress?: (said: ToolProgress) => void;
  readonly context: ServerContext;
}

/** One official server instance, for a session or for a request. `call` is what the wires differ in. */
export function mcpServer(
  version: string,
  tools: ListToolsResult["tools"],
  call: (wireCall: WireCall) => Promise<CallToolResult>,
): Server {
  const server = new Server(
    { name: "sallyport-sandbox", title: "Sallyport sandbox", version },
    { capabilities: { tools: {} }, instructions },
  );
  server.setRequestHandler("tools/list", () => ({ tools }));
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    const tool = sandboxTools.get(params.name);
    if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "there is no such tool");
    const progress = progressOf(context);
    const { signal } = context.mcpReq;
    const input = params.arguments ?? {};
    return await call({ tool, input, signal, context, ...(progress && { progress }) });
  });
  return server;
}

/** Seconds, for they only grow: bytes stand still while a command is silent (MCP progress must increase). */
function progressOf({ mcpReq }: ServerContext): ((said: ToolProgress) => void) | undefined {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  return ({ bytes, tail, elapsedMs }) => {
    const seconds = Math.round(elapsedMs / 100) / 10;
    const message = `${seconds} s, ${bytes} bytes of output${tail === "" ? "" : `\n${tail}`}`;
    const params = { progressToken, progress: elapsedMs / 1_000, message };
    // A client that has gone is told nothing more; its call is ended by the signal.
    mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
  };
}
