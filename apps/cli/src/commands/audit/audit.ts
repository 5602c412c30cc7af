import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { findCommand } from "./find.ts";
import { tailCommand } from "./tail.ts";

export function auditCommand(context: CommandContext): Command {
  return commandGroup(context.terminal, "audit")
    .summary("read the audit log")
    .description("Read the audit log: who did what through which server, and what was decided.")
    .addCommand(findCommand(context))
    .addCommand(tailCommand(context));
}
