import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { boundaryRunnerCommand } from "./runner.ts";
import { boundaryTestCommand } from "./test.ts";

export function boundaryCommand(context: CommandContext): Command {
  const group = commandGroup(context.terminal, "boundary")
    .summary("try what a sandbox must withstand, from inside one")
    .description("What sandboxes of this machine withstand.");
  group.addCommand(boundaryTestCommand(context));
  group.addCommand(boundaryRunnerCommand(context), { hidden: true });
  return group;
}
