import { type Bucket, openBucket } from "@sallyport/bus";
import { EnvironmentKeyId, environmentKeys, ServiceError } from "@sallyport/contracts";
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
      const environment = await environmentOf(bucket, id);
      await bucket.delete(id);
      if (options.json) outJson(terminal, { revoked: { id, environment } });
      else terminal.out(`revoked: key ${id} of environment ${environment}\n`);
    });
}

/**
 * An entry that does not fit its contract was put there by somebody else, perhaps so that the key cannot be revoked: it
 * goes like any other.
 */
async function environmentOf(bucket: Bucket<{ environment: string }>, id: string): Promise<string> {
  const entry = await bucket.get(id).catch((error: unknown) => {
    if (!(error instanceof ServiceError && error.code === "invalid")) throw error;
    return { value: { environment: "(unreadable)" } };
  });
  if (entry === undefined) throw new CommandFailure("failed", `there is no environment key ${id}`);
  return entry.value.environment;
}
