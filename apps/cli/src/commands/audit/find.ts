import { type AuditFilter, type AuditKind, matches } from "@sallyport/audit";
import { type Command, Option } from "commander";
import { type CommandContext, type CommonOptions, command, operatorBus } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { type Recorded, readAudit } from "../../read-audit.ts";
import { pastTime } from "../../time.ts";
import { recordLine } from "./show-record.ts";

interface Options extends CommonOptions {
  agent?: string;
  server?: string;
  tool?: string;
  kind?: AuditKind;
  outcome?: string;
  since: string;
  until?: string;
  trace?: string;
  limit: string;
}

const kinds: Record<AuditKind, true> = {
  decision: true,
  lease: true,
  upstream: true,
  grant: true,
  session: true,
};
const maxLimit = 100_000;

export function findCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "find",
    summary: "search the audit log",
    more: "All that is given must match. Shows the newest that match, oldest first.",
    examples: [
      "audit find --agent demo-agent --outcome deny",
      "audit find --server orders --tool refund_order --since 7d",
      "audit find --kind lease --since 2026-01-31 --until 2026-02-01 --json",
    ],
  })
    .option("--agent <name>", "the agent, as its token names it")
    .option("--server <name>", "the MCP server")
    .option("--tool <name>", "the tool, resource or prompt")
    .addOption(new Option("--kind <kind>", "the kind of record").choices(Object.keys(kinds)))
    .option("--outcome <word>", "allow, deny; a lease's or session's event; an exchange's outcome")
    .option("--since <time>", "a duration back, or a time", "24h")
    .option("--until <time>", "the same; not included")
    .option("--trace <id>", "a trace id")
    .option("--limit <n>", "how many at most", "100")
    .action(async (options: Options) => {
      const limit = limitOf(options.limit);
      const filter = filterOf(options, Date.now());
      const bus = await operatorBus(context, options);
      const found: Recorded[] = [];
      let count = 0;
      for await (const one of readAudit(bus, { since: filter.since, follow: false, signal: run.signal })) {
        if (!matches(one.record, filter)) continue;
        count += 1;
        found.push(one);
        if (found.length > limit) found.shift();
      }
      const style = { json: options.json === true, color: terminal.color };
      for (const one of found) terminal.out(recordLine(one, style));
      if (count > limit) terminal.say(`the newest ${limit} of ${count}; --limit shows more\n`);
      if (count === 0) throw new CommandFailure("failed", `no record matches (since ${options.since})`);
    });
}

function filterOf(options: Options, now: number): AuditFilter {
  const { agent, server, tool, kind, outcome, since, until, trace } = options;
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(server === undefined ? {} : { server }),
    ...(tool === undefined ? {} : { tool }),
    ...(kind === undefined ? {} : { kind }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(trace === undefined ? {} : { traceId: trace.toLowerCase() }),
    since: pastTime("--since", since, now),
    ...(until === undefined ? {} : { until: pastTime("--until", until, now) }),
  };
}

function limitOf(text: string): number {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxLimit) return limit;
  throw new CommandFailure("usage", `--limit wants a number from 1 to ${maxLimit}`, { setting: "--limit" });
}
