import { InstanceName } from "@sallyport/contracts";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { keepTenant, openInstallation } from "../../installation/installation.ts";
import { provisionLine } from "../../installation/provision-line.ts";
import { pushAccount, reachRelay } from "../../installation/reach-relay.ts";
import { type RelayOptions, relayOptions } from "../../installation/relay-options.ts";
import { installationOption } from "../zone/site.ts";

interface Options extends CommonOptions, RelayOptions {
  installation?: string;
  publicUrl?: string;
}

export function addCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return relayOptions(
    command(context, {
      name: "add",
      summary: "give a tenant an account on the relay, while it runs",
      more: "Zones are then admitted with --tenant. Running it again changes nothing, and tells the relay again.",
      examples: [
        "tenant add other --installation acme",
        "tenant add other --public-url https://agents.other.example.com --json",
      ],
    }),
  )
    .argument("<name>", "the tenant: 1 to 64 of A-Z a-z 0-9 _ -")
    .addOption(installationOption())
    .option("--public-url <url>", "what its agents call (default: as `init` was told, with {tenant} in it)")
    .action(async (tenant: string, options: Options) => {
      if (!InstanceName.safeParse(tenant).success)
        throw new CommandFailure("usage", "this is no tenant's name", {
          fix: "use 1 to 64 of A-Z a-z 0-9 _ -",
        });
      const installation = await openInstallation(options.installation);
      const creds = await keepTenant(installation, { tenant, publicUrl: options.publicUrl });
      const admin = await reachRelay(run, installation, options);
      const relay = (await pushAccount(admin, installation, tenant)).map(({ server }) => server);
      if (options.json) {
        outJson(terminal, { tenant, creds, relay });
        return;
      }
      terminal.out(`tenant: ${tenant}, on the relay (${relay.length} servers)\n`);
      const { folder, facts } = installation;
      const reached = { folder, servers: facts.relay.servers, pinned: facts.relay.ca !== undefined };
      terminal.say(`Make its streams: ${provisionLine(tenant, reached)}\n`);
    });
}
