import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { FIXED_TOOLS, textResult } from "../fixtures/content.ts";

/** Tools that answer at once. */
export function registerTools(server: McpServer): void {
  for (const { name, description, content } of FIXED_TOOLS) {
    server.registerTool(name, { description, annotations: { readOnlyHint: true } }, () => ({
      content: [...content],
    }));
  }

  server.registerTool("test_error_handling", { description: "Always fails" }, () => {
    throw new Error("This tool intentionally returns an error for testing");
  });

  server.registerTool(
    "test_echo",
    {
      description: "Answers with its text, and as structured content",
      inputSchema: { text: z.string() },
      outputSchema: { text: z.string() },
      annotations: { readOnlyHint: true },
    },
    ({ text }) => ({ ...textResult(text), structuredContent: { text } }),
  );
}
