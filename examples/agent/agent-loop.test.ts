import type { ContentBlock, MessageCreateParamsNonStreaming } from "@anthropic-ai/sdk/resources";
import { describe, expect, it } from "vitest";
import { type AgentEvent, runAgent } from "./agent-loop.ts";
import type { Model } from "./model.ts";
import type { ToolAnswer, Tools } from "./tools.ts";

const text = (words: string): ContentBlock => ({ type: "text", text: words, citations: null });
const use = (id: string, name: string, input: object = {}): ContentBlock => ({
  type: "tool_use",
  id,
  name,
  input,
  caller: { type: "direct" },
});

/** A model that says these things in turn, and keeps what it was asked. */
function saying(...answers: ContentBlock[][]): Model & { readonly asked: MessageCreateParamsNonStreaming[] } {
  const asked: MessageCreateParamsNonStreaming[] = [];
  return {
    asked,
    create: async (request) => {
      asked.push(structuredClone(request));
      const content = answers[Math.min(asked.length, answers.length) - 1] ?? [];
      return {
        content,
        stop_reason: content.some(({ type }) => type === "tool_use") ? "tool_use" : "end_turn",
      };
    },
  };
}

function tools(answer: (name: string) => ToolAnswer): Tools {
  return {
    list: [{ name: "look", input_schema: { type: "object" } }],
    call: async (name) => answer(name),
  };
}

const seen = tools((name) => ({ content: [{ type: "text", text: `${name} saw it` }], isError: false }));

function run(model: Model, more: { tools?: Tools; maxTurns?: number } = {}) {
  const events: AgentEvent[] = [];
  const onEvent = (event: AgentEvent) => events.push(event);
  return {
    events,
    outcome: runAgent({ model, modelName: "m", tools: seen, task: "look", maxTurns: 5, onEvent, ...more }),
  };
}

describe("the agent's loop", () => {
  it("makes the calls of a turn in order, and gives all their results back in one message", async () => {
    const model = saying([text("a moment"), use("1", "look"), use("2", "look")], [text("done")]);
    const { events, outcome } = run(model);
    expect(await outcome).toEqual({ done: true, reason: "end_turn", turns: 2 });
    expect(model.asked[0]).toMatchObject({ model: "m", tools: [{ name: "look" }] });
    expect(model.asked[1]?.messages.at(-1)).toEqual({
      role: "user",
      content: ["1", "2"].map((id) => ({
        type: "tool_result",
        tool_use_id: id,
        content: [{ type: "text", text: "look saw it" }],
        is_error: false,
      })),
    });
    expect(events.map(({ kind }) => kind)).toEqual(["text", "call", "result", "call", "result", "text"]);
  });

  it("tells the model of an error, and goes on", async () => {
    const denied = tools(() => ({ content: [{ type: "text", text: "Denied by policy" }], isError: true }));
    const model = saying([use("1", "look")], [text("then not")]);
    const { events, outcome } = run(model, { tools: denied });
    expect(await outcome).toMatchObject({ done: true });
    expect(model.asked[1]?.messages.at(-1)?.content).toMatchObject([
      { tool_use_id: "1", is_error: true, content: [{ text: "Denied by policy" }] },
    ]);
    expect(events).toContainEqual({ kind: "result", name: "look", text: "Denied by policy", isError: true });
  });

  it("ends after its turns with a model that never does", async () => {
    const model = saying([use("1", "look")]);
    expect(await run(model, { maxTurns: 3 }).outcome).toEqual({
      done: false,
      reason: "turn_limit",
      turns: 3,
    });
    expect(model.asked).toHaveLength(3);
  });

  it("makes no call of an answer that was cut off", async () => {
    const model: Model = { create: async () => ({ content: [use("1", "look")], stop_reason: "max_tokens" }) };
    const { events, outcome } = run(model);
    expect(await outcome).toEqual({ done: false, reason: "max_tokens", turns: 1 });
    expect(events).toEqual([]);
  });
});
