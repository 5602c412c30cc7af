import { resolve } from "node:path";
import { type Bundle, installBundle, problemsWithFolder, readInstalled } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { confirm } from "../../confirm.ts";
import { checkBundle, readBundle, refuse } from "./check-bundle.ts";
import type { VerifyOptions } from "./verify.ts";

export function installCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "install",
    summary: "put a bundle into a zone's folder, which a running process follows",
    more:
      "It checks what `zone verify` checks, and writes nothing when anything is wrong. The first one says whose bundles this\n" +
      "zone takes: name the operator's key, as the operator gave it to you over another way than the bundle came.",
    examples: [
      "zone install paris.bundle.json --dir paris/ --operator OA…",
      "zone install paris.bundle.json --dir paris/",
    ],
  })
    .argument("<bundle>", "the file from the operator")
    .requiredOption("--dir <folder>", "the zone's folder, which has its keys")
    .option("--operator <key>", "whose bundles this zone takes, O…; known after the first")
    .action(async (file: string, options: VerifyOptions & { dir: string }) => {
      const folder = resolve(options.dir);
      const bundle = readBundle(file);
      const known = (await readInstalled(folder))?.operator;
      refuse(file, checkBundle(bundle, { known, named: options.operator }));
      refuse(file, await problemsWithFolder(bundle, folder));
      if ((known ?? options.operator) === undefined) await firstTime(context, bundle);
      const report = await installBundle(bundle, folder);
      const { zone, instance, issuedAt } = bundle;
      if (options.json) {
        outJson(terminal, { zone, instance, issuedAt, folder, ...report });
        return;
      }
      for (const name of report.written) terminal.out(`written: ${name}\n`);
      for (const name of report.removed) terminal.out(`removed: ${name}\n`);
      for (const name of report.kept)
        terminal.say(
          `${name} was changed on this machine and is left as it is; the bundle has it otherwise\n`,
        );
      if (report.written.length + report.removed.length === 0) terminal.say("nothing is other than before\n");
    });
}

/** Whoever can swap the bundle on its way can swap the operator in it: a person has to say that this is the one. */
async function firstTime({ terminal, run }: CommandContext, { operator }: Bundle): Promise<void> {
  terminal.say(`operator: ${operator}\n`);
  if (!terminal.interactive) {
    throw new CommandFailure("refused", "nobody has said whose bundles this zone takes", {
      setting: "--operator",
      fix: "say --operator with the key that the operator gave you",
    });
  }
  const question = "Is this the operator's key, as the operator told it to you?";
  await confirm(terminal, question, { yes: false, signal: run.signal });
}
