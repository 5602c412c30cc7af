import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { addCommand } from "./add.ts";

export function tenantCommand(context: CommandContext): Command {
  return commandGroup(context.terminal, "tenant")
    .summary("give another tenant an account on the relay")
    .description(
      "Tenants of an installation. Each has an account on the relay, and nothing crosses from one to another.",
    )
    .addCommand(addCommand(context));
}
