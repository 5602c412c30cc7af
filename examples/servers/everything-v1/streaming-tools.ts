import { setTimeout as pause } from "node:timers/promises";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { textResult } from "../fixtures/content.ts";

const STEP_MS = 50;

/** Tools that say something before they answer, or let their stream break. */
export function registerStreamingTools(server: McpServer): void {
  server.registerTool(
    "test_tool_with_logging",
    { description: "Logs three times before it answers", inputSchema: {} },
    async (_args, { sendNotification, signal }) => {
      for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await sendNotification({ method: "notifications/message", params: { level: "info", data } });
        await pause(STEP_MS, undefined, { signal });
      }
      return textResult("Tool with logging executed successfully");
    },
  );

  server.registerTool(
    "test_tool_with_progress",
    { description: "Reports progress before it answers", inputSchema: {} },
    async (_args, { sendNotification, _meta, signal }) => {
      const progressToken = _meta?.progressToken;
      if (progressToken === undefined) return textResult("no progress token");
      for (const progress of [0, 50, 100]) {
        const message = `Completed step ${progress} of 100`;
        const params = { progressToken, progress, total: 100, message };
        await sendNotification({ method: "notifications/progress", params });
        await pause(STEP_MS, undefined, { signal });
      }
      return textResult(String(progressToken));
    },
  );

  server.registerTool(
    "test_reconnection",
    {
      description: "Breaks its stream; the answer waits for the client to resume (SEP-1699)",
      inputSchema: {},
    },
    async (_args, { closeSSEStream, signal }) => {
      closeSSEStream?.();
      await pause(2 * STEP_MS, undefined, { signal });
      return textResult("Reconnection test completed: the client came back for this answer.");
    },
  );
}
