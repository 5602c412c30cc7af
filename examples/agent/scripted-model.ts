import type { ContentBlock, MessageParam, ToolResultBlockParam } from "@anthropic-ai/sdk/resources";
import type { Model } from "./model.ts";

type Step = (results: readonly ToolResultBlockParam[]) => ContentBlock[];

/** Stands in for a model where there is no key: it looks for open orders and asks for a refund that policy denies. */
export function scriptedModel(): Model {
  const refund = { id: "" };
  const steps: readonly Step[] = [
    () => [text("I look at the orders."), use("list_orders", {})],
    (results) => {
      const orders = ordersIn(results);
      const open = orders.filter(({ status }) => status === "paid").map(({ id }) => id);
      refund.id = orders.toSorted((a, b) => b.total - a.total)[0]?.id ?? "A-1008";
      const said = `Open: ${open.join(", ") || "none that I can see"}. The largest is ${refund.id}: I refund it.`;
      return [text(said), use("refund_order", refund)];
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

interface Order {
  readonly id: string;
  readonly status: string;
  readonly total: number;
}

function ordersIn([listed]: readonly ToolResultBlockParam[]): readonly Order[] {
  if (listed === undefined || listed.is_error) return [];
  return (JSON.parse(textOf(listed)) as { orders: readonly Order[] }).orders;
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
