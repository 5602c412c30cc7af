import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, operatorBus, outJson } from "../base-command.ts";
import { CommandFailure } from "../command-failure.ts";
import { spansOf } from "../show-trace.ts";
import { renderWaterfall } from "../waterfall.ts";

export function traceCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "trace",
    summary: "show one call through all zones as a waterfall",
    more: "Traces are kept by the collector for a while; the audit log names the trace of each record.",
    examples: ["trace", "trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace last --json | jq '.spans[].name'"],
  })
    .argument("[id]", "a trace id of 32 hex digits, or last", "last")
    .action(async (id: string, options: CommonOptions) => {
      const trace = id.toLowerCase();
      if (!/^(last|[0-9a-f]{32})$/.test(trace)) {
        const fix = "copy the id from an audit record or a traceparent header";
        throw new CommandFailure("usage", "a trace id has 32 hex digits, or is the word last", { fix });
      }
      const spans = await spansOf(await operatorBus(context, options), trace);
      if (options.json) outJson(terminal, { spans });
      else terminal.out(renderWaterfall(spans, terminal));
    });
}
