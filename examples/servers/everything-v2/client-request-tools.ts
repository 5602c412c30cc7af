import type { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";
import { CHOICES_FORM, DEFAULTS_FORM, RESPONSE_FORM } from "../fixtures/elicitation-forms.ts";

/**
 * Tools that send the client a request of their own. Only sessions of 2025-11-25 and before can carry one; on
 * the stateless wire they fail, and the tools of input-tools.ts ask within the result instead.
 */
export function registerClientRequestTools(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, { mcpReq }) => {
      const messages = [{ role: "user" as const, content: { type: "text" as const, text: prompt } }];
      const { content } = await mcpReq.send({
        method: "sampling/createMessage",
        params: { messages, maxTokens: 100 },
      });
      const text = !Array.isArray(content) && content.type === "text" ? content.text : "not a text";
      return textResult(`LLM response: ${text}`);
    },
  );

  server.registerTool(
    "test_list_roots",
    { description: "Asks the client for its roots", inputSchema: z.object({}) },
    async (_args, { mcpReq }) => {
      const { roots } = await mcpReq.send({ method: "roots/list" });
      return textResult(
        `Client exposed ${roots.length} root(s): ${roots.map((root) => root.uri).join(", ")}`,
      );
    },
  );

  server.registerTool(
    "test_elicitation",
    { description: "Asks the user a question", inputSchema: z.object({ message: z.string() }) },
    async ({ message }, { mcpReq }) => {
      const answer = await mcpReq.send({
        method: "elicitation/create",
        params: { ...RESPONSE_FORM, message },
      });
      return textResult(`User response: ${said(answer)}`);
    },
  );

  const forms = [
    ["test_elicitation_sep1034_defaults", "Asks with defaults (SEP-1034)", DEFAULTS_FORM],
    ["test_elicitation_sep1330_enums", "Asks with choices (SEP-1330)", CHOICES_FORM],
  ] as const;
  for (const [name, description, params] of forms) {
    server.registerTool(name, { description, inputSchema: z.object({}) }, async (_args, { mcpReq }) => {
      const answer = await mcpReq.send({ method: "elicitation/create", params });
      return textResult(`Elicitation completed: ${said(answer)}`);
    });
  }
}

const said = (answer: { action: string; content?: unknown }) =>
  `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
