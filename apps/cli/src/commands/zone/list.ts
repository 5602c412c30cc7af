import type { InstanceRecord } from "@sallyport/installation";
import { requestFingerprint } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../../base-command.ts";
import { openInstallation } from "../../installation/installation.ts";
import { onRelay, reachRelay } from "../../installation/reach-relay.ts";
import { type RelayOptions, relayOptions } from "../../installation/relay-options.ts";
import { table } from "../../table.ts";
import { installationOption } from "./site.ts";

interface Options extends CommonOptions, RelayOptions {
  installation?: string;
  online?: boolean;
}

export function listCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return relayOptions(
    command(context, {
      name: "list",
      summary: "list the instances that have a bundle",
      examples: ["zone list", "zone list --online --json"],
    }),
  )
    .addOption(installationOption())
    .option("--online", "ask the relay who is connected")
    .action(async (options: Options) => {
      const installation = await openInstallation(options.installation);
      const live = new Set<string>();
      if (options.online === true) {
        const admin = await reachRelay(run, installation, options);
        for (const tenant of installation.facts.tenants) {
          const keys = keysOf(installation.records.filter((one) => one.tenant === tenant));
          for (const key of await onRelay(admin, installation, { tenant, keys })) live.add(key);
        }
      }
      const rows = installation.records.map((record) => ({
        ...{ record, fingerprint: requestFingerprint(record) },
        state: stateOf(record, options.online === true ? live : undefined),
      }));
      if (options.json) {
        const zones = rows.map(({ record: { settings: _, keys: __, ...record }, fingerprint, state }) => ({
          ...{ ...record, fingerprint, state },
        }));
        outJson(terminal, { zones });
        return;
      }
      if (rows.length === 0) terminal.say("no instance has a bundle\n");
      else terminal.out(tableOf(rows));
    });
}

interface Row {
  record: InstanceRecord;
  fingerprint: string;
  state: string;
}

function tableOf(rows: readonly Row[]): string {
  return table(rows, [
    { title: "ZONE", text: ({ record }) => record.zone, max: 16 },
    { title: "SITE", text: ({ record }) => record.instance, max: 64 },
    { title: "TENANT", text: ({ record }) => record.tenant, max: 64 },
    { title: "STATE", text: ({ state }) => state, max: 48 },
    { title: "OFFERS", text: ({ record }) => record.servers.join(", "), max: 64 },
    { title: "ISSUED", text: ({ record }) => record.issuedAt, max: 32 },
    { title: "FINGERPRINT", text: ({ fingerprint }) => fingerprint, max: 64 },
  ]);
}

const keysOf = (records: readonly InstanceRecord[]) =>
  records.flatMap(({ keys, retiring }) => [keys.nats, ...(retiring ? [retiring.nats] : [])]);

/** Pure. `live` are the keys that the relay has, where it was asked. */
function stateOf(
  { keys, retiring, revokedAt }: InstanceRecord,
  live: ReadonlySet<string> | undefined,
): string {
  const there = live === undefined ? "" : live.has(keys.nats) ? "on the relay" : "away";
  if (revokedAt !== undefined) return live?.has(keys.nats) ? "revoked, and on the relay" : "revoked";
  if (retiring === undefined) return there || "issued";
  return live?.has(retiring.nats)
    ? "changing keys: still on the old"
    : `changing keys${there && `: ${there}`}`;
}
