import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { createCommand } from "./create.ts";
import { listCommand } from "./list.ts";
import { revokeKeyCommand } from "./revoke.ts";

export function environmentKeyCommand(context: CommandContext): Command {
  return commandGroup(context.terminal, "environment-key")
    .summary("keys of workers that run an environment's tools")
    .description(
      "Keys of workers outside that take an environment's sessions from an edge's work API and run their tools.",
    )
    .addCommand(createCommand(context))
    .addCommand(listCommand(context))
    .addCommand(revokeKeyCommand(context));
}
