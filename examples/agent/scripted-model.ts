import type { ContentBlock, MessageParam, ToolResultBlockParam } from "@anthropic-ai/sdk/resources";
import type { Model } from "./model.ts";

type Step = (results: readonly ToolResultBlockParam[]) => ContentBlock[];

/** Stands in for a model where there is no key: it looks for open orders and asks for a refund that policy denies. */
export function scriptedModel(): Model {
  const refund = { id: "" };
  const steps: readonly Step[] = [
    () => [
      text("I look up the orders that are paid and not shipped."),
      use("list_orders", { status: "paid" }),
    ],
    (results) => {
      refund.id = largestOrder(results);
      return [text(`The largest is ${refund.id}. I refund it.`), use("refund_order", refund)];
    },
    ([result]) => [
      text(
        result?.is_error
          ? `I could not refund ${refund.id}: ${textOf(result)}. A person has to decide this one.`
          : `${refund.id} is refunded.`,
      ),
    ],
  ];
  return {
    create: async ({ messages }) => {
      const turn = messages.filter(({ role }) => role === "assistant").length;
      const content = steps[turn]?.(resultsIn(messages)) ?? [text("That is all I know.")];
      return {
        content,
        stop_reason: content.some(({ type }) => type === "tool_use") ? "tool_use" : "end_turn",
      };
    },
  };
}

function resultsIn(messages: readonly MessageParam[]): ToolResultBlockParam[] {
  const content = messages.at(-1)?.content ?? "";
  return typeof content === "string" ? [] : content.filter((block) => block.type === "tool_result");
}

function largestOrder(results: readonly ToolResultBlockParam[]): string {
  const [listed] = results;
  if (listed === undefined || listed.is_error) return "A-1010";
  const { orders } = JSON.parse(textOf(listed)) as { orders: { id: string; total: number }[] };
  const [largest] = orders.toSorted((a, b) => b.total - a.total);
  return largest?.id ?? "A-1010";
}

function textOf({ content = "" }: ToolResultBlockParam): string {
  if (typeof content === "string") return content;
  return content.map((block) => (block.type === "text" ? block.text : "")).join("\n");
}

function text(words: string): ContentBlock {
  return { type: "text", text: words, citations: null };
}

function use(name: string, input: object): ContentBlock {
  return { type: "tool_use", id: `call-${name}`, name, input, caller: { type: "direct" } };
}
