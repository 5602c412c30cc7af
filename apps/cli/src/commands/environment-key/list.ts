import { openBucket } from "@sallyport/bus";
import { environmentKeys } from "@sallyport/contracts";
import type { Command } from "commander";
import {
  type CommandContext,
  type CommonOptions,
  command,
  operatorBus,
  outJson,
} from "../../base-command.ts";
import { table } from "../../table.ts";

export function listCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "list",
    summary: "list the keys that are in force",
    examples: ["environment-key list", "environment-key list --json"],
  }).action(async (options: CommonOptions) => {
    const bucket = await openBucket(await operatorBus(context, options), environmentKeys);
    const keys = (await bucket.entries())
      .map(({ key: id, value: { environment, label, createdAt } }) => ({ id, environment, label, createdAt }))
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt));
    if (options.json) {
      outJson(terminal, { keys });
      return;
    }
    if (keys.length === 0) {
      terminal.say("there is no environment key\n");
      return;
    }
    terminal.out(
      table(keys, [
        { title: "ID", text: ({ id }) => id, max: 16 },
        { title: "ENVIRONMENT", text: ({ environment }) => environment, max: 64 },
        { title: "CREATED", text: ({ createdAt }) => createdAt, max: 32 },
        { title: "LABEL", text: ({ label }) => label ?? "", max: 128 },
      ]),
    );
  });
}
