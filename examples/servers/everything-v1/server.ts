import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { registerClientRequestTools } from "./client-request-tools.ts";
import { registerPrompts } from "./prompts.ts";
import { registerResources } from "./resources.ts";
import { registerStreamingTools } from "./streaming-tools.ts";
import { registerTools } from "./tools.ts";

/** One server with everything that MCP 2025-11-25 knows; each session gets its own. */
export function everythingServer(): McpServer {
  const server = new McpServer(
    { name: "everything-v1", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
    },
  );
  registerTools(server);
  registerStreamingTools(server);
  registerClientRequestTools(server);
  registerResources(server);
  registerPrompts(server);
  return server;
}
