import type { Token } from "./tokens.ts";

/** A use of something of `process` that only one place may use. */
export interface ProcessUse {
  readonly what: "env" | "exit" | "listener" | "whole";
  readonly line: number;
}

const memberUses: Record<string, ProcessUse["what"]> = {
  env: "env",
  loadEnvFile: "env",
  exit: "exit",
  reallyExit: "exit",
  abort: "exit",
  on: "listener",
  once: "listener",
  addListener: "listener",
  prependListener: "listener",
  prependOnceListener: "listener",
};

/** `process.env`, `process["env"]`, `process.exit`, `process.on`, and `process` handed over whole, which hides them. */
export function processUsesOf(tokens: readonly Token[]): ProcessUse[] {
  return tokens.flatMap(({ kind, value, line }, index): ProcessUse[] => {
    if (kind !== "word" || value !== "process" || isOtherProcess(tokens, index)) return [];
    const rest = tokens
      .slice(index + 1, index + 6)
      .filter((token) => !(token.kind === "mark" && token.value === "?"));
    const [first, second] = rest;
    if (first?.kind === "mark" && first.value === "." && second?.kind === "word") {
      const what = Object.hasOwn(memberUses, second.value) ? memberUses[second.value] : undefined;
      return what && !(what === "listener" && hearsWarnings(rest)) ? [{ what, line }] : [];
    }
    if (first?.kind === "mark" && first.value === "[") {
      const what = second?.kind === "text" ? memberUses[second.value] : "whole";
      return what ? [{ what, line }] : [];
    }
    return isValue(tokens, index) ? [{ what: "whole", line }] : [];
  });
}

/** `process.on("warning"`: what is printed, not how the process ends. */
function hearsWarnings(rest: readonly Token[]): boolean {
  return rest[2]?.value === "(" && rest[3]?.kind === "text" && rest[3].value === "warning";
}

/** `child.process` is another's; `globalThis.process` is not. */
function isOtherProcess(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  return before?.kind === "mark" && before.value === "." && tokens[index - 2]?.value !== "globalThis";
}

/** `= process;`, `(process)`, `...process`: the object itself. Names, keys and types called process are not. */
function isValue(tokens: readonly Token[], index: number): boolean {
  const [before, after] = [tokens[index - 1], tokens[index + 1]];
  return (
    before?.kind === "mark" && before.value === "=" && after?.kind === "mark" && /[;,)\]}]/.test(after.value)
  );
}
