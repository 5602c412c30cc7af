import { stripVTControlCharacters } from "node:util";
import type { AgentEvent } from "./agent-loop.ts";

const SHOWN = 400;

export function showLine(label: string, text: string): void {
  console.log(`${label.padEnd(9)} ${printable(text)}`);
}

export function showEvent(event: AgentEvent): void {
  switch (event.kind) {
    case "text":
      showLine("agent", event.text);
      break;
    case "call":
      showLine("call", `${event.name} ${JSON.stringify(event.input)}`);
      break;
    case "result":
      showLine(event.isError ? "refused" : "result", short(event.text));
      break;
  }
}

function short(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > SHOWN ? `${line.slice(0, SHOWN)} …` : line;
}

/** What a model or a server said could hold escape sequences, and a terminal would obey them. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}]/gu, (char) => (char === "\n" ? char : " "));
}
