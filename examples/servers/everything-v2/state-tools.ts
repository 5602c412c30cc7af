import {
  acceptedContent,
  inputRequired,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";
import { askConfirmation, askModel, askText, modelText, rootUris } from "./questions.ts";
import type { RoundState } from "./request-state.ts";

const none = z.object({});

/**
 * Tools whose rounds are tied together by sealed state that the client carries. State that was tampered with
 * never reaches them: the server answers -32602 first.
 */
export function registerStateTools(server: McpServer, states: RequestStateCodec<RoundState>): void {
  const confirming = [
    ["test_input_required_result_request_state", "state-ok: requestState verified and confirmation received"],
    ["test_input_required_result_tampered_state", "integrity-ok: requestState verified"],
  ] as const;
  for (const [tool, text] of confirming) {
    server.registerTool(
      tool,
      { description: "Asks to confirm, with sealed state", inputSchema: none },
      async (_args, { mcpReq }) => {
        if (acceptedContent(mcpReq.inputResponses, "confirm") === undefined) {
          const requestState = await states.mint({ tool, round: 1 });
          return inputRequired({ inputRequests: { confirm: askConfirmation() }, requestState });
        }
        if (mcpReq.requestState<RoundState>()?.tool !== tool) {
          throw new ProtocolError(
            ProtocolErrorCode.InvalidParams,
            "requestState is missing or of another tool",
          );
        }
        return textResult(text);
      },
    );
  }

  server.registerTool(
    "test_input_required_result_multiple_inputs",
    { description: "Asks user, model and roots in one round", inputSchema: none },
    async (_args, { mcpReq }) => {
      const answers = mcpReq.inputResponses;
      const name = acceptedContent<{ name: string }>(answers, "user_name")?.name;
      const greeting = modelText(answers?.greeting);
      const roots = rootUris(answers?.client_roots);
      if (typeof name === "string" && greeting !== undefined && roots) {
        return textResult(`${greeting} ${name}: ${roots.length} root(s) visible`);
      }
      return inputRequired({
        inputRequests: {
          user_name: askText("What is your name?", "name"),
          greeting: askModel("Generate a greeting", 50),
          client_roots: inputRequired.listRoots(),
        },
        requestState: await states.mint({ tool: "multiple_inputs", round: 1 }),
      });
    },
  );

  server.registerTool(
    "test_input_required_result_multi_round",
    { description: "Asks twice, one question after the other", inputSchema: none },
    async (_args, { mcpReq }) => {
      const tool = "multi_round";
      const carried = mcpReq.requestState<RoundState>();
      const state = carried?.tool === tool ? carried : { tool, round: 0 };
      if (state.round === 0) {
        return inputRequired({
          inputRequests: { step1: askText("Step 1: What is your name?", "name") },
          requestState: await states.mint({ tool, round: 1 }),
        });
      }
      if (state.round === 1) {
        const name = acceptedContent<{ name: string }>(mcpReq.inputResponses, "step1")?.name ?? "unknown";
        return inputRequired({
          inputRequests: { step2: askText("Step 2: What is your favorite color?", "color") },
          requestState: await states.mint({ tool, round: 2, name }),
        });
      }
      const color = acceptedContent<{ color: string }>(mcpReq.inputResponses, "step2")?.color ?? "unknown";
      return textResult(`Multi-round complete: ${state.name ?? "unknown"} likes ${color}`);
    },
  );
}
