import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import {
  openInstallation,
  recordOf,
  reissueFor,
  storeRecord,
  storeRevocation,
} from "../../installation/installation.ts";
import { pushAccount, reachRelay, untilOff } from "../../installation/reach-relay.ts";
import { type RelayOptions, relayOptions } from "../../installation/relay-options.ts";
import { handOutText } from "./bundle.ts";
import { aboutSite, installationOption, type SiteOptions, siteOf, tenantOption } from "./site.ts";

interface Options extends SiteOptions, RelayOptions {
  installation?: string;
  tenant?: string;
}

/** What is promised: off the relay within this time. */
const withinMs = 5_000;

export function revokeCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return aboutSite(
    relayOptions(
      command(context, {
        name: "revoke",
        summary: "cut a zone's instance off, for good",
        more:
          "The relay ends its connections and takes it back no more. Then hand the bundles that are named to their owners: from\n" +
          "their installation on, no edge and no broker believes its key. Running it again tells the relay again.",
        examples: [
          "zone revoke connector --site paris",
          "zone revoke runner --site lab --tenant acme --json",
        ],
      }),
    ),
  )
    .addOption(installationOption())
    .addOption(tenantOption())
    .action(async (zone: string, options: Options) => {
      const installation = await openInstallation(options.installation);
      const known = recordOf(installation, { ...siteOf(zone, options), tenant: options.tenant });
      const { tenant, instance } = known;
      const now = new Date();
      const keys = [known.keys.nats, ...(known.retiring ? [known.retiring.nats] : [])];
      // In the installation first: whatever happens to this command, no later push takes it back.
      const record = { ...known, revokedAt: known.revokedAt ?? now.toISOString() };
      await storeRevocation(installation, { tenant, keys, at: now });
      await storeRecord(installation, record);
      const others = await reissueFor(installation, record, now);
      const text = handOutText(others);
      const told = async () => {
        const began = Date.now();
        const admin = await reachRelay(run, installation, options);
        const servers = await pushAccount(admin, installation, tenant);
        const off = await untilOff(admin, installation, { tenant, keys, withinMs });
        return { off, ms: Date.now() - began, servers: servers.map(({ server }) => server) };
      };
      const relay = await told().catch((thrown: unknown) => {
        // What its owners have to install does not wait for the relay.
        terminal.say(text);
        throw thrown;
      });
      if (options.json)
        outJson(terminal, { zone, instance, tenant, revokedAt: record.revokedAt, relay, others });
      else if (relay.off)
        terminal.out(
          `revoked: ${zone} ${instance}, off the relay within ${relay.ms} ms (${relay.servers.length} servers)\n`,
        );
      if (!options.json) terminal.say(text);
      if (relay.off) return;
      const fix = "run this again; until it is off, block its address at the relay";
      throw new CommandFailure("failed", `${zone} ${instance} is still on the relay after ${withinMs} ms`, {
        fix,
      });
    });
}
