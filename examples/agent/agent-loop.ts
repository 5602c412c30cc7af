import type {
  MessageParam,
  TextBlock,
  ToolResultBlockParam,
  ToolUseBlock,
} from "@anthropic-ai/sdk/resources";
import type { Model } from "./model.ts";
import type { Tools } from "./tools.ts";

const MAX_TOKENS = 4096;

export interface AgentOptions {
  readonly model: Model;
  readonly modelName: string;
  readonly tools: Tools;
  readonly task: string;
  /** How often the model may be asked. A model that never comes to an end is a bill that never does. */
  readonly maxTurns: number;
  /** Hears of everything that happens, in order. */
  onEvent(event: AgentEvent): void;
}

export type AgentEvent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "call"; readonly name: string; readonly input: unknown }
  | { readonly kind: "result"; readonly name: string; readonly text: string; readonly isError: boolean };

export interface Outcome {
  readonly done: boolean;
  /** Why the model stopped, or `turn_limit`. */
  readonly reason: string;
  readonly turns: number;
}

/** The whole agent: ask the model, make the calls that it wants, tell it what came of them, until it wants none. */
export async function runAgent(options: AgentOptions): Promise<Outcome> {
  const { model, modelName, tools, task, maxTurns, onEvent } = options;
  const messages: MessageParam[] = [{ role: "user", content: task }];
  for (let turn = 1; turn <= maxTurns; turn++) {
    const answer = await model.create({
      model: modelName,
      max_tokens: MAX_TOKENS,
      tools: [...tools.list],
      messages,
    });
    messages.push({ role: "assistant", content: answer.content });
    for (const { text } of answer.content.filter(isText)) onEvent({ kind: "text", text });
    if (answer.stop_reason !== "tool_use") {
      const reason = answer.stop_reason ?? "unknown";
      return { done: reason === "end_turn", reason, turns: turn };
    }
    const results: ToolResultBlockParam[] = [];
    for (const call of answer.content.filter(isToolUse)) results.push(await makeCall(call, tools, onEvent));
    messages.push({ role: "user", content: results });
  }
  return { done: false, reason: "turn_limit", turns: maxTurns };
}

/** An error is a result too: the model reads why, and decides what to do about it. */
async function makeCall(
  { id, name, input }: ToolUseBlock,
  tools: Tools,
  onEvent: AgentOptions["onEvent"],
): Promise<ToolResultBlockParam> {
  onEvent({ kind: "call", name, input });
  const { content, isError } = await tools.call(name, input);
  const text = content.map((block) => (block.type === "text" ? block.text : `(${block.type})`)).join("\n");
  onEvent({ kind: "result", name, text, isError });
  return { type: "tool_result", tool_use_id: id, content: [...content], is_error: isError };
}

function isText(block: { type: string }): block is TextBlock {
  return block.type === "text";
}

function isToolUse(block: { type: string }): block is ToolUseBlock {
  return block.type === "tool_use";
}
