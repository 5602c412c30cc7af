import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { enrollCommand } from "./enroll.ts";
import { connectorZone, type EnrolledZone, runnerZone } from "./enrolled-zone.ts";
import { keygenCommand } from "./keygen.ts";
import { listCommand } from "./list.ts";
import { removeCommand } from "./remove.ts";

export function connectorCommand(context: CommandContext): Command {
  return zoneCommand(context, connectorZone);
}

export function runnerCommand(context: CommandContext): Command {
  return zoneCommand(context, runnerZone);
}

function zoneCommand(context: CommandContext, of: EnrolledZone): Command {
  const group = commandGroup(context.terminal, of.zone)
    .summary(`make a ${of.zone}'s key, enrol it, list and remove ${of.zone}s`)
    .description(
      `Which ${of.zone}s edge and broker believe: one file each, in a folder that only operators write.`,
    );
  for (const one of [keygenCommand, enrollCommand, listCommand, removeCommand])
    group.addCommand(one(context, of));
  return group;
}
