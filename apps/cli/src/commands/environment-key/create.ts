import { openBucket } from "@sallyport/bus";
import { environmentKeys, newEnvironmentKey, PoolName } from "@sallyport/contracts";
import { writeNew } from "@sallyport/installation";
import type { Command } from "commander";
import {
  type CommandContext,
  type CommonOptions,
  command,
  operatorBus,
  outJson,
} from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";

interface Options extends CommonOptions {
  out?: string;
  label?: string;
}

export function createCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "create",
    summary: "make a key for an environment's workers",
    more: "The key is shown once, or written to a new file that nobody else can read. Only its hash is kept.",
    examples: ["environment-key create builds --out builds.key", "environment-key create builds --json"],
  })
    .argument("<environment>", "the environment's id: the name of its pool")
    .option("--out <file>", "write the key there (0600) instead of showing it")
    .option("--label <text>", "whose key it is, for other operators")
    .action(async (environment: string, options: Options) => {
      const { label, out } = options;
      if (!PoolName.safeParse(environment).success)
        throw new CommandFailure("usage", "an environment's id is 1 to 64 of A-Z a-z 0-9 _ -");
      if (label !== undefined && label.length > 128)
        throw new CommandFailure("usage", "--label is longer than 128 characters", { setting: "--label" });
      const { id, key, hash } = newEnvironmentKey();
      const bucket = await openBucket(await operatorBus(context, options), environmentKeys);
      if (out !== undefined) await keep(out, key);
      const entry = { environment, hash, createdAt: new Date().toISOString() };
      await bucket.put(id, label === undefined ? entry : { ...entry, label }, { expect: 0 });
      const shown = out === undefined ? { key } : { file: out };
      if (options.json) outJson(terminal, { id, environment, ...shown });
      else if (out === undefined) terminal.out(`${key}\n`);
      else terminal.out(`created: key ${id} of environment ${environment}, in ${out}\n`);
    });
}

/** Never over a file that is there: a key in use would be lost, and a planted file would keep its readers. */
async function keep(file: string, key: string): Promise<void> {
  try {
    await writeNew(file, `${key}\n`);
  } catch (cause) {
    throw new CommandFailure("usage", `the key cannot be written to a new file ${file}`, {
      setting: "--out",
      cause,
    });
  }
}
