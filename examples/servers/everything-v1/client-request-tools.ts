import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  CreateMessageResultSchema,
  ElicitResultSchema,
  ListRootsResultSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";
import { CHOICES_FORM, DEFAULTS_FORM, RESPONSE_FORM } from "../fixtures/elicitation-forms.ts";

/** Tools that ask the client something before they answer: requests that travel from server to client. */
export function registerClientRequestTools(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model", inputSchema: { prompt: z.string() } },
    async ({ prompt }, { sendRequest, signal }) => {
      const messages = [{ role: "user" as const, content: { type: "text" as const, text: prompt } }];
      const request = { method: "sampling/createMessage" as const, params: { messages, maxTokens: 100 } };
      const { content } = await sendRequest(request, CreateMessageResultSchema, { signal });
      return textResult(`LLM response: ${content.type === "text" ? content.text : content.type}`);
    },
  );

  server.registerTool(
    "test_list_roots",
    { description: "Asks the client for its roots", inputSchema: {} },
    async (_args, { sendRequest, signal }) => {
      const { roots } = await sendRequest({ method: "roots/list" }, ListRootsResultSchema, { signal });
      return textResult(
        `Client exposed ${roots.length} root(s): ${roots.map((root) => root.uri).join(", ")}`,
      );
    },
  );

  server.registerTool(
    "test_elicitation",
    { description: "Asks the user a question", inputSchema: { message: z.string() } },
    async ({ message }, { sendRequest, signal }) => {
      const request = { method: "elicitation/create" as const, params: { ...RESPONSE_FORM, message } };
      const answer = await sendRequest(request, ElicitResultSchema, { signal });
      return textResult(`User response: ${said(answer)}`);
    },
  );

  const forms = [
    ["test_elicitation_sep1034_defaults", "Asks with defaults (SEP-1034)", DEFAULTS_FORM],
    ["test_elicitation_sep1330_enums", "Asks with choices (SEP-1330)", CHOICES_FORM],
  ] as const;
  for (const [name, description, params] of forms) {
    server.registerTool(name, { description, inputSchema: {} }, async (_args, { sendRequest, signal }) => {
      const request = { method: "elicitation/create" as const, params };
      const answer = await sendRequest(request, ElicitResultSchema, { signal });
      return textResult(`Elicitation completed: ${said(answer)}`);
    });
  }
}

const said = (answer: { action: string; content?: unknown }) =>
  `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
