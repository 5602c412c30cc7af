import type { Command } from "commander";
import { type CommandContext, commandGroup } from "../../base-command.ts";
import { bundleCommand } from "./bundle.ts";
import { installCommand } from "./install.ts";
import { listCommand } from "./list.ts";
import { requestCommand } from "./request.ts";
import { revokeCommand } from "./revoke.ts";
import { rotateCommand } from "./rotate.ts";
import { verifyCommand } from "./verify.ts";

export function zoneCommand(context: CommandContext): Command {
  const group = commandGroup(context.terminal, "zone")
    .summary("admit a zone, change its keys, cut it off")
    .description(
      "Admit a zone's instance, change its keys, cut it off. The zone makes its keys and a request (request); the operator\n" +
        "answers with a bundle (bundle), which the zone installs (verify, install). No key ever leaves its machine.",
    );
  const all = [
    requestCommand,
    bundleCommand,
    verifyCommand,
    installCommand,
    listCommand,
    rotateCommand,
    revokeCommand,
  ];
  for (const one of all) group.addCommand(one(context));
  return group;
}
