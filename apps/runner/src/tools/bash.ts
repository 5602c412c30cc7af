import type { CommandResult } from "@sallyport/sandbox-agent";
import { z } from "zod";
import { watchOutput } from "./bash-progress.ts";
import { defineTool, failure, textResult } from "./define-tool.ts";
import type { ToolResult } from "./tool.ts";

const usualTimeoutMs = 120_000;
const maxTimeoutMs = 600_000;
const nothing = "(no output)";

export const bash = defineTool({
  name: "bash",
  title: "Run a command",
  description: [
    "Run a command in a persistent bash shell. Folder, variables, functions and background jobs stay from call to call; calls run one at a time, in order.",
    `Standard error is joined to standard output; standard input is empty. A command is killed, and the shell with it, after timeout_ms (${usualTimeoutMs} unless told, at most ${maxTimeoutMs}); start what runs longer in the background (\`cmd >log 2>&1 &\`).`,
    "Output over 100,000 bytes is shown with its beginning and end, and the whole is in a file whose path is told. Terminal escapes are removed.",
    "The network is closed but for hosts that policy allows, through the proxy in HTTP_PROXY and HTTPS_PROXY; a refusal says why. Credentials in the environment are placeholders: use them as they are, in requests to the hosts they belong to; their values cannot be read here.",
  ].join("\n"),
  input: z.strictObject({
    command: z.string().optional().describe("The command; may be left out with restart"),
    restart: z
      .boolean()
      .optional()
      .describe("Kill the shell and all that it started, and begin a new one before the command"),
    timeout_ms: z
      .int()
      .min(1)
      .max(maxTimeoutMs)
      .optional()
      .describe(`Milliseconds until the command is killed; ${usualTimeoutMs} unless told`),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  act: async ({ shell }, { command = "", restart = false, timeout_ms: timeoutMs = usualTimeoutMs }, call) => {
    if (restart) await shell.restart();
    if (command === "")
      return restart ? textResult("bash session restarted") : failure("bash: command is required");
    const watch = watchOutput(call);
    try {
      const { signal } = call;
      const result = await shell.run(command, { timeoutMs, signal, onProgress: watch.heard });
      signal.throwIfAborted();
      return toldOf(result, timeoutMs);
    } finally {
      watch.stop();
    }
  },
});

function toldOf({ end, exitCode = 0, text }: CommandResult, timeoutMs: number): ToolResult {
  const said = (note: string) => (text === nothing ? note : `${text}\n${note}`);
  switch (end) {
    case "done":
      if (exitCode === 0) return textResult(text);
      return failure(text === nothing ? `exit ${exitCode}` : text);
    case "shell-exited": {
      const note = `[the shell has ended with exit code ${exitCode}; the next command gets a new one]`;
      return exitCode === 0 ? textResult(said(note)) : failure(said(note));
    }
    case "timeout":
      return failure(
        said(
          `[bash: timed out after ${timeoutMs} ms; the command and its shell were killed, and the next command gets a new shell]`,
        ),
      );
    case "aborted":
      return failure(said("[bash: cancelled; the command and its shell were killed]"));
  }
}
