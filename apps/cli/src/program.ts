import type { Command } from "commander";
import manifest from "../package.json" with { type: "json" };
import { type CommandContext, commandGroup } from "./base-command.ts";
import { exitCodes } from "./command-failure.ts";
import { auditCommand } from "./commands/audit/audit.ts";
import { boundaryCommand } from "./commands/boundary/boundary.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { connectorCommand, runnerCommand } from "./commands/enrolment/zone-commands.ts";
import { environmentKeyCommand } from "./commands/environment-key/environment-key.ts";
import { initCommand } from "./commands/init.ts";
import { relayCommand } from "./commands/relay/relay.ts";
import { revokeCommand } from "./commands/revoke/revoke.ts";
import { serversCommand } from "./commands/servers.ts";
import { statusCommand } from "./commands/status.ts";
import { tenantCommand } from "./commands/tenant/tenant.ts";
import { tokenCommand } from "./commands/token.ts";
import { traceCommand } from "./commands/trace.ts";
import { zoneCommand } from "./commands/zone/zone.ts";

/** Runs what the arguments say. Returns the exit code; throws what `explainFailure` can word. */
export async function runProgram(args: readonly string[], context: CommandContext): Promise<number> {
  await program(context).parseAsync([...args], { from: "user" });
  return exitCodes.ok;
}

/** In the order of the help text. */
const commands = [
  doctorCommand,
  boundaryCommand,
  statusCommand,
  serversCommand,
  traceCommand,
  tokenCommand,
  initCommand,
  tenantCommand,
  relayCommand,
  zoneCommand,
  connectorCommand,
  runnerCommand,
  environmentKeyCommand,
  auditCommand,
  revokeCommand,
];

function program(context: CommandContext): Command {
  const root = commandGroup(context.terminal, "sallyport")
    .description("The operator's command line of Sallyport.")
    .usage("<command> [options]")
    .version(manifest.version);
  for (const one of commands) root.addCommand(one(context));
  return root.addHelpText("after", `\n${exitText}`);
}

const exitText = `Exit codes: 0 ok, 1 a check failed or nothing was found, 2 usage, 69 unavailable, 77 refused, 78 settings.
Every command has --help with examples, and --json.`;
