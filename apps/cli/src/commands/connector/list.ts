import { fingerprint } from "@sallyport/seal";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { readEnrolments } from "../../enrolment/enrolments.ts";
import { type EnrolmentOptions, enrolmentFolder } from "../../enrolment/folder.ts";
import { table } from "../../table.ts";

export function listCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "list",
    summary: "list the enrolled connectors",
    examples: ["connector list", "connector list --enrolments /etc/sallyport/enrolments --json"],
  })
    .option("--enrolments <folder>", "the folder that edge and broker read (default: the setting)")
    .action((options: EnrolmentOptions) => {
      const rows = readEnrolments(enrolmentFolder(options)).map((one) =>
        "enrolment" in one
          ? {
              connector: one.enrolment.connector,
              servers: one.enrolment.servers,
              fingerprint: fingerprint(one.enrolment.publicKey),
              file: one.file,
            }
          : one,
      );
      const bad = rows.filter((row) => "problem" in row).length;
      if (options.json) outJson(terminal, { connectors: rows });
      else if (rows.length === 0) terminal.say("no connector is enrolled\n");
      else {
        terminal.out(
          table(rows, [
            { title: "CONNECTOR", text: (row) => ("problem" in row ? "?" : row.connector), max: 64 },
            { title: "SERVERS", text: (row) => ("problem" in row ? "" : row.servers.join(", ")), max: 80 },
            {
              title: "FINGERPRINT",
              text: (row) => ("problem" in row ? `${row.file}: ${row.problem}` : row.fingerprint),
              max: 200,
            },
          ]),
        );
      }
      if (bad > 0) throw new CommandFailure("failed", `${bad} files are not valid and enrol nobody`);
    });
}
