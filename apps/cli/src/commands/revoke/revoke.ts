import { ServerName } from "@sallyport/contracts";
import { tokenHash } from "@sallyport/grant";
import type { Command } from "commander";
import {
  type CommandContext,
  type CommonOptions,
  command,
  commandGroup,
  operatorBus,
  outJson,
} from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { readToken } from "../../read-token.ts";
import { type RevocationKind, revoke } from "../../revocation.ts";
import { durationMs } from "../../time.ts";
import { listCommand } from "./list.ts";

export function revokeCommand(context: CommandContext): Command {
  const group = commandGroup(context.terminal, "revoke")
    .summary("cut off an agent, a token, a grant or a server")
    .description(
      "Cut off an agent, a token, a grant or a server: running streams end, new calls are refused.",
    );
  for (const kind of targets) group.addCommand(revokeOne(context, kind));
  return group.addCommand(listCommand(context));
}

interface Target {
  kind: RevocationKind;
  argument: string;
  about: string;
  summary: string;
  example: string;
  /** What is written down for the argument. Throws a usage error. */
  valueOf(argument: string, context: CommandContext): Promise<string>;
}

const targets: readonly Target[] = [
  {
    kind: "agent",
    argument: "<agent>",
    about: "its client id, as audit records name it",
    summary: "refuse an agent everything",
    example: 'revoke agent demo-agent --for 2h --reason "INC-42"',
    valueOf: async (agent) => text(agent),
  },
  {
    kind: "token",
    argument: "<file>",
    about: "a file with the access token, or - for stdin",
    summary: "refuse one access token",
    example: "revoke token - < token.txt",
    valueOf: async (source, { terminal }) => tokenHash(await readToken(source, terminal.input)),
  },
  {
    kind: "grant",
    argument: "<id>",
    about: "the grant's id, as audit records name it",
    summary: "refuse one grant",
    example: "revoke grant 0d9c5f0e-7b1f-4f0e-9d57-0c1b2c3d4e5f",
    valueOf: async (id) => text(id),
  },
  {
    kind: "server",
    argument: "<server>",
    about: "the server's name",
    summary: "refuse everybody one server",
    example: "revoke server orders --for 30m",
    valueOf: async (name) => {
      if (ServerName.safeParse(name).success) return name;
      throw new CommandFailure("usage", "this is not the name of a server");
    },
  },
];

function text(value: string): string {
  if (value.length >= 1 && value.length <= 256) return value;
  throw new CommandFailure("usage", "give a name of 1 to 256 characters");
}

interface Options extends CommonOptions {
  for: string;
  reason?: string;
}

function revokeOne(context: CommandContext, target: Target): Command {
  const { terminal } = context;
  return command(context, {
    name: target.kind,
    summary: target.summary,
    more: "Edges, connectors and brokers act on it at once. Nothing takes it back:\nrevoking again can prolong it, never shorten it.",
    examples: [target.example, "revoke list"],
  })
    .argument(target.argument, target.about)
    .option("--for <duration>", "for how long; afterwards it may be used again", "24h")
    .option("--reason <text>", "written beside it, for other operators")
    .action(async (argument: string, options: Options) => {
      const until = new Date(Date.now() + durationMs("--for", options.for)).toISOString();
      const { reason } = options;
      if (reason !== undefined && reason.length > 300) {
        throw new CommandFailure("usage", "--reason is longer than 300 characters", { setting: "--reason" });
      }
      const value = await target.valueOf(argument, context);
      const bus = await operatorBus(context, options);
      const written = { kind: target.kind, value, until, ...(reason === undefined ? {} : { reason }) };
      await revoke(bus, written);
      if (options.json) outJson(terminal, { revoked: written });
      else terminal.out(`revoked: ${written.kind} ${JSON.stringify(written.value)} until ${written.until}\n`);
    });
}
