import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { CommandFailure } from "./command-failure.ts";
import type { Terminal } from "./terminal.ts";

/** Goes on only after a person typed yes, or said so beforehand. Where nobody can be asked, silence is no consent. */
export async function confirm(
  terminal: Terminal,
  question: string,
  { yes, signal }: { yes: boolean; signal: AbortSignal },
): Promise<void> {
  if (yes) return;
  if (!terminal.interactive) {
    const fix = "compare it with the connector's owner, then say --yes";
    throw new CommandFailure("refused", "nobody is here to confirm the fingerprint", { fix });
  }
  // Without line editing, so that Ctrl-C is the signal it is everywhere else.
  const asking = createInterface({ input: terminal.input, output: terminal.talk, terminal: false });
  try {
    // The end of input is no answer; without this the question would never settle.
    const ended = once(asking, "close").then(() => "");
    const answer = await Promise.race([asking.question(`${question} [yes/no] `, { signal }), ended]);
    if (/^y(es)?$/i.test(answer.trim())) return;
    throw new CommandFailure("refused", "not confirmed; nothing was changed");
  } finally {
    asking.close();
  }
}
