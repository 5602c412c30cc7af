import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, operatorBus } from "../../base-command.ts";
import { readAudit } from "../../read-audit.ts";
import { pastTime } from "../../time.ts";
import { recordLine } from "./show-record.ts";

interface Options extends CommonOptions {
  since?: string;
}

export function tailCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "tail",
    summary: "show audit records as they are written, until Ctrl-C",
    examples: ["audit tail", "audit tail --since 1h", "audit tail --json | jq -r .record.agent"],
  })
    .option("--since <time>", "begin in the past: a duration like 1h, or a time")
    .action(async (options: Options) => {
      const now = Date.now();
      const since = options.since === undefined ? new Date(now) : pastTime("--since", options.since, now);
      const bus = await operatorBus(context, options);
      const style = { json: options.json === true, color: terminal.color };
      for await (const one of readAudit(bus, { since, follow: true, signal: run.signal })) {
        // Without an `at` a record cannot be old: it is shown.
        const at = one.record.kind === "opaque" ? now : Date.parse(one.record.at);
        if (at >= since.getTime()) terminal.out(recordLine(one, style));
      }
    });
}
