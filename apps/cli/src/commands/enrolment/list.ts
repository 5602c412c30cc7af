import { fingerprint } from "@sallyport/seal";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { type EnrolmentFile, readEnrolments } from "../../enrolment/enrolments.ts";
import { type EnrolmentOptions, enrolmentFolder } from "../../enrolment/folder.ts";
import { table } from "../../table.ts";
import type { EnrolledZone } from "./enrolled-zone.ts";

export function listCommand(context: CommandContext, { zone, offers }: EnrolledZone): Command {
  const { terminal } = context;
  return command(context, {
    name: "list",
    summary: `list the enrolled ${zone}s`,
    examples: [`${zone} list`, `${zone} list --enrolments /etc/sallyport/enrolments --json`],
  })
    .option("--enrolments <folder>", "the folder that edge and broker read (default: the setting)")
    .action((options: EnrolmentOptions) => {
      // A damaged file may be anybody's.
      const rows = readEnrolments(enrolmentFolder(options)).filter(
        (one) => !("enrolment" in one) || one.enrolment.zone === zone,
      );
      const bad = rows.filter((row) => "problem" in row).length;
      if (options.json) outJson(terminal, { [`${zone}s`]: rows.map((row) => shownAs(row, zone, offers)) });
      else if (rows.length === 0) terminal.say(`no ${zone} is enrolled\n`);
      else terminal.out(enrolmentTable(rows, zone, offers));
      if (bad > 0) throw new CommandFailure("failed", `${bad} files are not valid and enrol nobody`);
    });
}

function shownAs(row: EnrolmentFile, zone: string, offers: string): object {
  if ("problem" in row) return row;
  const { connector, servers, publicKey } = row.enrolment;
  return { [zone]: connector, [offers]: servers, fingerprint: fingerprint(publicKey), file: row.file };
}

function enrolmentTable(rows: readonly EnrolmentFile[], zone: string, offers: string): string {
  return table(rows, [
    {
      title: zone.toUpperCase(),
      text: (row) => ("problem" in row ? "?" : row.enrolment.connector),
      max: 64,
    },
    {
      title: offers.toUpperCase(),
      text: (row) => ("problem" in row ? "" : row.enrolment.servers.join(", ")),
      max: 80,
    },
    {
      title: "FINGERPRINT",
      text: (row) =>
        "problem" in row ? `${row.file}: ${row.problem}` : fingerprint(row.enrolment.publicKey),
      max: 200,
    },
  ]);
}
