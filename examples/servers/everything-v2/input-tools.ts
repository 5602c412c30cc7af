import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequests,
  inputRequired,
  type McpServer,
  type RequestStateCodec,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";
import { askModel, askText, modelText, rootUris } from "./questions.ts";
import type { RoundState } from "./request-state.ts";
import { registerStateTools } from "./state-tools.ts";

const none = z.object({});

/**
 * Tools that ask within the result and are called again with the answer (SEP-2322, "multi round-trip
 * requests"): each returns `input_required` until the retry carries what it needs.
 */
export function registerInputTools(server: McpServer, states: RequestStateCodec<RoundState>): void {
  registerStateTools(server, states);

  server.registerTool(
    "test_input_required_result_elicitation",
    { description: "Asks the user's name", inputSchema: none },
    (_args, { mcpReq }) => {
      const name = acceptedContent<{ name: string }>(mcpReq.inputResponses, "user_name")?.name;
      if (typeof name === "string") return textResult(`Hello, ${name}!`);
      return inputRequired({ inputRequests: { user_name: askText("What is your name?", "name") } });
    },
  );

  server.registerTool(
    "test_input_required_result_sampling",
    { description: "Asks the client's model", inputSchema: none },
    (_args, { mcpReq }) => {
      const answer = modelText(mcpReq.inputResponses?.capital);
      if (answer !== undefined) return textResult(`Sampling response: ${answer}`);
      return inputRequired({ inputRequests: { capital: askModel("What is the capital of France?", 100) } });
    },
  );

  server.registerTool(
    "test_input_required_result_list_roots",
    { description: "Asks for the client's roots", inputSchema: none },
    (_args, { mcpReq }) => {
      const uris = rootUris(mcpReq.inputResponses?.client_roots);
      if (uris) return textResult(`Client exposed ${uris.length} root(s): ${uris.join(", ")}`);
      return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    },
  );

  server.registerTool(
    "test_input_required_result_capabilities",
    { description: "Asks only what the client said it can answer", inputSchema: none },
    (_args, { mcpReq }) => {
      if (mcpReq.inputResponses !== undefined) return textResult("All that could be asked was answered");
      const can = declaredCapabilities(mcpReq.envelope);
      const inputRequests: InputRequests = {};
      if (can?.elicitation) inputRequests.user_name = askText("What is your name?", "name");
      if (can?.sampling) inputRequests.greeting = askModel("Generate a short greeting", 50);
      if (can?.roots) inputRequests.client_roots = inputRequired.listRoots();
      if (Object.keys(inputRequests).length === 0) return textResult("The client can answer nothing");
      return inputRequired({ inputRequests });
    },
  );
}

/** What the client said in this request's `_meta` that it can answer. */
function declaredCapabilities(envelope: object | undefined): ClientCapabilities {
  const meta = envelope as Record<string, ClientCapabilities | undefined> | undefined;
  return meta?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
}
