import Anthropic from "@anthropic-ai/sdk";
import type { Message, MessageCreateParamsNonStreaming } from "@anthropic-ai/sdk/resources";
import { scriptedModel } from "./scripted-model.ts";

/** What the loop needs of the Messages API. */
export interface Model {
  create(request: MessageCreateParamsNonStreaming): Promise<Pick<Message, "content" | "stop_reason">>;
}

/** A real model where there is a key for one, else a script. */
export function chooseModel(): { model: Model; description: string } {
  const apiKey = process.env.ANTHROPIC_API_KEY;
  if (!apiKey) {
    return { model: scriptedModel(), description: "scripted model: set ANTHROPIC_API_KEY for a real one" };
  }
  const { messages } = new Anthropic({ apiKey });
  return { model: { create: (request) => messages.create(request) }, description: "Messages API" };
}
