import { acceptedContent, completable, inputRequired, type McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { COMPLETIONS } from "../fixtures/completions.ts";
import {
  promptWithArguments,
  promptWithImage,
  promptWithResource,
  promptWithText,
  simplePrompt,
} from "../fixtures/prompts.ts";
import { askText } from "./questions.ts";

/** Prompts, one with arguments that complete and one that asks before it renders. */
export function registerPrompts(server: McpServer): void {
  server.registerPrompt("test_simple_prompt", { description: "No arguments" }, simplePrompt);

  const argument = (description: string) =>
    completable(z.string().describe(description), (typed) =>
      COMPLETIONS.filter((word) => word.startsWith(typed)),
    );
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "Two arguments that complete",
      argsSchema: z.object({ arg1: argument("First test argument"), arg2: argument("Second test argument") }),
    },
    ({ arg1, arg2 }) => promptWithArguments(arg1, arg2),
  );

  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    {
      description: "Embeds a resource",
      argsSchema: z.object({ resourceUri: z.string().describe("URI to embed") }),
    },
    ({ resourceUri }) => promptWithResource(resourceUri),
  );

  server.registerPrompt("test_prompt_with_image", { description: "Shows an image" }, promptWithImage);

  server.registerPrompt(
    "test_input_required_result_prompt",
    { description: "Asks for its context before it renders (SEP-2322)", argsSchema: z.object({}) },
    (_args, { mcpReq }) => {
      const context = acceptedContent<{ context: string }>(mcpReq.inputResponses, "user_context")?.context;
      if (typeof context === "string") return promptWithText(`Use the following context: ${context}`);
      const user_context = askText("What context should the prompt use?", "context");
      return inputRequired({ inputRequests: { user_context } });
    },
  );
}
