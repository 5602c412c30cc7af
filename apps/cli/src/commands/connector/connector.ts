import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { enrollCommand } from "./enroll.ts";
import { keygenCommand } from "./keygen.ts";
import { listCommand } from "./list.ts";
import { removeCommand } from "./remove.ts";

export function connectorCommand(context: CommandContext): Command {
  const group = commandGroup(context.terminal, "connector")
    .summary("make a connector's key, enrol it, list and remove connectors")
    .description(
      "Which connectors edge and broker believe: one file each, in a folder that only operators write.",
    );
  for (const one of [keygenCommand, enrollCommand, listCommand, removeCommand])
    group.addCommand(one(context));
  return group;
}
