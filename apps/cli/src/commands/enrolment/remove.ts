import { rmSync } from "node:fs";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { readEnrolments } from "../../enrolment/enrolments.ts";
import { type EnrolmentOptions, enrolmentFolder } from "../../enrolment/folder.ts";
import type { EnrolledZone } from "./enrolled-zone.ts";

export function removeCommand(context: CommandContext, { zone, instance }: EnrolledZone): Command {
  const { terminal } = context;
  return command(context, {
    name: "remove",
    summary: `end a ${zone}'s enrolment`,
    more: "Edge and broker no longer believe it within seconds. Its NATS user stays: `sallyport zone revoke` ends that.",
    examples: [
      `${zone} remove ${instance}`,
      `${zone} remove ${instance} --enrolments /etc/sallyport/enrolments`,
    ],
  })
    .argument("<name>", `the ${zone}'s instance name`)
    .option("--enrolments <folder>", "the folder that edge and broker read (default: the setting)")
    .action((name: string, options: EnrolmentOptions) => {
      const folder = enrolmentFolder(options);
      // By what the files say, not by a file name made of the argument: no path can be smuggled in.
      const found = readEnrolments(folder).filter(
        (one) => "enrolment" in one && one.enrolment.zone === zone && one.enrolment.connector === name,
      );
      if (found.length === 0) {
        const fix = `see which are: sallyport ${zone} list`;
        throw new CommandFailure("failed", `no ${zone} of this name is enrolled in ${folder}`, { fix });
      }
      for (const { file } of found) rmSync(file);
      if (options.json) outJson(terminal, { removed: found.map(({ file }) => file) });
      else for (const { file } of found) terminal.out(`removed: ${file}\n`);
    });
}
