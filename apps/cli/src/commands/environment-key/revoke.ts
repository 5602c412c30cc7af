import { openBucket } from "@sallyport/bus";
import { EnvironmentKeyId, environmentKeys } from "@sallyport/contracts";
import type { Command } from "commander";
import {
  type CommandContext,
  type CommonOptions,
  command,
  operatorBus,
  outJson,
} from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";

export function revokeKeyCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "revoke",
    summary: "refuse a key from now on",
    more: "Every edge refuses it at the next call, and the items that were taken with it too.",
    examples: ["environment-key list", "environment-key revoke 8d1a0c5e2f734b69"],
  })
    .argument("<id>", "the key's id, from the list")
    .action(async (id: string, options: CommonOptions) => {
      if (!EnvironmentKeyId.safeParse(id).success)
        throw new CommandFailure("usage", "this is not the id of a key: see environment-key list");
      const bucket = await openBucket(await operatorBus(context, options), environmentKeys);
      const entry = await bucket.get(id);
      if (entry === undefined) throw new CommandFailure("failed", `there is no environment key ${id}`);
      await bucket.delete(id);
      const { environment } = entry.value;
      if (options.json) outJson(terminal, { revoked: { id, environment } });
      else terminal.out(`revoked: key ${id} of environment ${environment}\n`);
    });
}
