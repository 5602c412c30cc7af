import { fromJsonSchema, type McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { FIXED_TOOLS, textResult } from "../fixtures/content.ts";
import { JSON_SCHEMA_2020_12 } from "../fixtures/json-schema-2020-12.ts";

/** The schema's own keyword `x-mcp-header` says which argument travels as a header too. */
const MIRRORED_REGION = {
  type: "object" as const,
  properties: {
    region: {
      type: "string" as const,
      description: "mirrored into Mcp-Param-Region",
      "x-mcp-header": "Region",
    },
    level: { type: "integer" as const, description: "not mirrored" },
  },
};

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

  const echoed = z.object({ text: z.string() });
  server.registerTool(
    "test_echo",
    {
      description: "Answers with its text, and as structured content",
      inputSchema: echoed,
      outputSchema: echoed,
      annotations: { readOnlyHint: true },
    },
    ({ text }) => ({ ...textResult(text), structuredContent: { text } }),
  );

  server.registerTool(
    "json_schema_2020_12_tool",
    {
      description: "Its input schema uses all of JSON Schema 2020-12",
      inputSchema: fromJsonSchema(JSON_SCHEMA_2020_12),
    },
    (args) => textResult(`JSON Schema 2020-12 tool called with: ${JSON.stringify(args)}`),
  );

  server.registerTool(
    "test_x_mcp_header",
    {
      description: "Mirrors one argument into the header Mcp-Param-Region (SEP-2243)",
      inputSchema: fromJsonSchema<{ region?: string }>(MIRRORED_REGION),
    },
    ({ region }) => textResult(`region=${region ?? "<none>"}`),
  );
}
