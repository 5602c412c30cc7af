import type { Bus, BusLog } from "@sallyport/bus";
import type { CommandRun } from "@sallyport/runtime";
import { roadOf } from "@sallyport/zone";
import { Command } from "commander";
import { loadCliConfig, needed } from "./config.ts";
import { openBus } from "./open-bus.ts";
import { safeJson } from "./safe-json.ts";
import type { Terminal } from "./terminal.ts";

/** What a command works with. */
export interface CommandContext {
  terminal: Terminal;
  run: CommandRun;
}

/** Options of every command. */
export interface CommonOptions {
  config?: string;
  json?: boolean;
}

/** A command with the options that all have, and examples in its help. */
export function command(
  { terminal }: CommandContext,
  about: { name: string; summary: string; more?: string; examples: readonly string[] },
): Command {
  const examples = about.examples.map((example) => `  $ sallyport ${example}`).join("\n");
  return commandGroup(terminal, about.name)
    .summary(about.summary)
    .description([sentence(about.summary), about.more ?? []].flat().join("\n\n"))
    .option("--config <file>", "settings (default: $SALLYPORT_CONFIG, ./sallyport.yaml, the local stack's)")
    .option("--json", "answer as JSON, errors too")
    .addHelpText("after", `\nExamples:\n${examples}`);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** A command that only holds others. Errors are thrown, not printed: `explainFailure` words them. */
export function commandGroup(terminal: Terminal, name: string): Command {
  return new Command(name)
    .exitOverride()
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.say(text),
      outputError: () => {},
      getOutHelpWidth: () => Math.min(terminal.width, 100),
      getErrHelpWidth: () => Math.min(terminal.width, 100),
      getOutHasColors: () => terminal.color,
      getErrHasColors: () => terminal.color,
    });
}

/** NATS as the settings say, closed when the command ends. */
export async function operatorBus(
  { run }: CommandContext,
  options: CommonOptions,
  log?: BusLog,
): Promise<Bus> {
  const nats = needed(loadCliConfig(options.config), "nats");
  const { servers, creds, instance } = nats;
  return run.use(await openBus({ servers, creds: creds.path, instance, ...roadOf(nats) }, log), "nats");
}

/** One JSON document on stdout. */
export function outJson(terminal: Terminal, value: unknown): void {
  terminal.out(`${safeJson(value, 2)}\n`);
}
