import { McpServer, type ServerNotifier } from "@modelcontextprotocol/server";
import { registerClientRequestTools } from "./client-request-tools.ts";
import { registerInputTools } from "./input-tools.ts";
import { registerPrompts } from "./prompts.ts";
import { requestStates } from "./request-state.ts";
import { registerResources } from "./resources.ts";
import { registerStatelessTools } from "./stateless-tools.ts";
import { registerStreamingTools } from "./streaming-tools.ts";
import { registerTools } from "./tools.ts";

export type NewServer = () => McpServer;

/**
 * Makes servers with everything that MCP 2026-07-28 knows, and 2025-11-25 too: one for each request of the
 * former, one for each session of the latter. `changed` reaches the streams of `subscriptions/listen`.
 */
export function everythingServers(changed: () => ServerNotifier): NewServer {
  const states = requestStates();
  return () => {
    const server = new McpServer(
      { name: "everything-v2", version: "1.0.0" },
      {
        capabilities: {
          tools: { listChanged: true },
          resources: { subscribe: true, listChanged: true },
          prompts: { listChanged: true },
          logging: {},
          completions: {},
        },
        requestState: { verify: states.verify },
      },
    );
    registerTools(server);
    registerStreamingTools(server);
    registerStatelessTools(server, changed);
    registerClientRequestTools(server);
    registerInputTools(server, states);
    registerResources(server, changed);
    registerPrompts(server);
    return server;
  };
}
