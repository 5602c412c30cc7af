import { inputRequired, type McpServer, type ServerNotifier } from "@modelcontextprotocol/server";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";

const none = z.object({});

/** The tools by which the official suite examines the stateless wire (SEP-2575). */
export function registerStatelessTools(server: McpServer, changed: () => ServerNotifier): void {
  server.registerTool(
    "test_missing_capability",
    { description: "Needs the client's `sampling` capability, else -32021", inputSchema: none },
    (_args, { mcpReq }) => {
      if (mcpReq.inputResponses?.answer !== undefined) return textResult("sampling round trip complete");
      const content = { type: "text" as const, text: "Reply with the single word: pong" };
      const answer = inputRequired.createMessage({ messages: [{ role: "user", content }], maxTokens: 16 });
      return inputRequired({ inputRequests: { answer } });
    },
  );

  server.registerTool(
    "test_streaming_elicitation",
    { description: "Its response stream carries no request of its own", inputSchema: none },
    () => textResult("the stream held this result and no request"),
  );

  server.registerTool(
    "test_logging_tool",
    { description: "Logs only where the request asked for a log level", inputSchema: none },
    async (_args, { mcpReq }) => {
      await mcpReq.log("info", "test_logging_tool ran");
      return textResult("logged, if the request asked for it");
    },
  );

  server.registerTool(
    "test_trigger_tool_change",
    { description: "Says that the list of tools changed", inputSchema: none },
    () => {
      changed().toolsChanged();
      return textResult("tools/list_changed published");
    },
  );

  server.registerTool(
    "test_trigger_prompt_change",
    { description: "Says that the list of prompts changed", inputSchema: none },
    () => {
      changed().promptsChanged();
      return textResult("prompts/list_changed published");
    },
  );
}
