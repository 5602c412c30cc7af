import { completable } from "@modelcontextprotocol/sdk/server/completable.js";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { COMPLETIONS } from "../fixtures/completions.ts";
import {
  promptWithArguments,
  promptWithImage,
  promptWithResource,
  simplePrompt,
} from "../fixtures/prompts.ts";

/** Prompts, one of them with arguments that complete. */
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
      argsSchema: { arg1: argument("First test argument"), arg2: argument("Second test argument") },
    },
    ({ arg1, arg2 }) => promptWithArguments(arg1, arg2),
  );

  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "Embeds a resource", argsSchema: { resourceUri: z.string().describe("URI to embed") } },
    ({ resourceUri }) => promptWithResource(resourceUri),
  );

  server.registerPrompt("test_prompt_with_image", { description: "Shows an image" }, promptWithImage);
}
