import type { BoundaryOptions, BoundaryReport, Result } from "@sallyport/boundary";
import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";

/** One line of what a runner says to `boundary test`. */
export type RunnerLine =
  | { readonly result: Result }
  | { readonly report: Omit<BoundaryReport, "results"> }
  | { readonly setup: string };

/** `boundary test` starts this as the runner whose boundary is tried: a process with canaries, maybe of another user. */
export function boundaryRunnerCommand({ terminal, run }: CommandContext): Command {
  return commandGroup(terminal, "runner")
    .argument("<options>", "what to try, as JSON")
    .action(async (text: string) => {
      const say = (line: RunnerLine): void => terminal.out(`${JSON.stringify(line)}\n`);
      const options = JSON.parse(text) as BoundaryOptions;
      // Only here: the parts of a sandbox are much, and every command would wait for them.
      const { runBoundary } = await import("@sallyport/boundary");
      const { IsolationError } = await import("@sallyport/isolation");
      try {
        const { results: _, ...report } = await runBoundary({
          ...options,
          signal: run.signal,
          onResult: (result) => say({ result }),
        });
        say({ report });
      } catch (error) {
        if (!(error instanceof IsolationError)) throw error;
        say({ setup: error.reason });
      }
    });
}
