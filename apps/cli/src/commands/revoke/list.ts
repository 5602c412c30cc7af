import type { Command } from "commander";
import pc from "picocolors";
import {
  type CommandContext,
  type CommonOptions,
  command,
  operatorBus,
  outJson,
} from "../../base-command.ts";
import { listRevocations, type Revocation } from "../../revocation.ts";
import { table } from "../../table.ts";

export function listCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "list",
    summary: "list what is revoked",
    examples: ["revoke list", "revoke list --json | jq '.revocations[] | select(.kind == \"agent\")'"],
  }).action(async (options: CommonOptions) => {
    const all = await listRevocations(await operatorBus(context, options));
    const now = Date.now();
    const inForce = (one: Revocation) => Date.parse(one.until) > now;
    if (options.json) {
      outJson(terminal, { revocations: all.map((one) => ({ ...one, inForce: inForce(one) })) });
      return;
    }
    if (all.length === 0) {
      terminal.say("nothing is revoked\n");
      return;
    }
    const { red, dim } = pc.createColors(terminal.color);
    terminal.out(
      table(all, [
        { title: "KIND", text: ({ kind }) => kind, max: 8 },
        { title: "VALUE", text: ({ value }) => value, max: 64 },
        { title: "UNTIL", text: ({ until }) => until, max: 32 },
        {
          title: "STATE",
          text: (one) => (inForce(one) ? "in force" : "ended"),
          max: 8,
          paint: (one) => (inForce(one) ? red : dim),
        },
        { title: "REASON", text: ({ reason }) => reason ?? "", max: 120 },
      ]),
    );
  });
}
