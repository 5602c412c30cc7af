import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { certificateCommand } from "./certificate.ts";

export function relayCommand(context: CommandContext): Command {
  return commandGroup(context.terminal, "relay")
    .summary("renew the relay's certificate")
    .description("What the relay itself needs of an installation.")
    .addCommand(certificateCommand(context));
}
