import type { InstanceRecord } from "@sallyport/installation";
import { requestFingerprint } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import {
  handOut,
  type Installation,
  openInstallation,
  recordOf,
  reissueFor,
  storeRecord,
  storeRevocation,
} from "../../installation/installation.ts";
import { onRelay, pushAccount, reachRelay } from "../../installation/reach-relay.ts";
import { type RelayOptions, relayOptions } from "../../installation/relay-options.ts";
import { refuseRevoked, requestIn } from "./admit.ts";
import { type BundleOptions, compare, finish, handOutText, outFile } from "./bundle.ts";
import { aboutSite, installationOption, siteOf, tenantOption } from "./site.ts";

interface Options extends Omit<BundleOptions, "out">, RelayOptions {
  out?: string;
  finish?: boolean;
  force?: boolean;
}

export function rotateCommand(context: CommandContext): Command {
  return aboutSite(
    relayOptions(
      command(context, {
        name: "rotate",
        summary: "change a zone's keys while it runs, in two steps",
        more:
          "First: the zone makes new keys (`zone request --renew`); this command answers with a bundle, and old and new keys\n" +
          "both count. Install the other zones' bundles, then its own. Then: --finish ends the old keys.",
        examples: [
          "zone rotate connector --site paris --request paris/request.json --out paris.bundle.json",
          "zone rotate connector --site paris --finish",
        ],
      }),
    ),
  )
    .addOption(installationOption())
    .addOption(tenantOption())
    .option("--request <file>", "what the zone asked for with --renew")
    .option("--out <file>", "where the bundle goes")
    .option("--replace", "the file may be there already")
    .option("-y, --yes", "the fingerprint was compared; do not ask")
    .option("--finish", "end the old keys: the zone is seen on the relay with its new one")
    .option("--force", "with --finish: end them though it is not")
    .action(async (zone: string, options: Options) => {
      const installation = await openInstallation(options.installation);
      const record = recordOf(installation, { ...siteOf(zone, options), tenant: options.tenant });
      refuseRevoked(record);
      if (options.finish === true) await endOldKeys(context, { installation, record, options });
      else await begin(context, { installation, record, options });
    });
}

interface Rotation {
  installation: Installation;
  record: InstanceRecord;
  options: Options;
}

async function begin(context: CommandContext, { installation, record, options }: Rotation): Promise<void> {
  const { request: file, out: named } = options;
  if (file === undefined || named === undefined)
    throw new CommandFailure("usage", "give --request and --out, or --finish", { fix: "see --help" });
  if (record.retiring !== undefined) {
    const fix = `end it first: sallyport zone rotate ${record.zone} --site ${record.instance} --finish`;
    throw new CommandFailure("refused", "a change of its keys is not finished", { fix });
  }
  const request = requestIn(file, record);
  const out = outFile({ out: named, ...(options.replace ? { replace: true } : {}) });
  const { keys: old } = record;
  if (request.keys.nats === old.nats) {
    const fix = `make new ones where it runs: sallyport zone request ${record.zone} --site ${record.instance} --renew --out …`;
    throw new CommandFailure("refused", "the request has the keys that it has now", {
      setting: "--request",
      fix,
    });
  }
  const fingerprint = requestFingerprint(request);
  await compare(context, { record, fingerprint, yes: options.yes === true });
  const note =
    `Install ${record.zone === "edge" ? "the others first: an edge signs with its new key from then on" : "them in any order"}. ` +
    `When it runs with its new keys: sallyport zone rotate ${record.zone} --site ${record.instance} --finish`;
  const json = options.json === true;
  const changed = { ...record, keys: request.keys, retiring: old };
  await finish(context, { installation, record: changed, out, json, fingerprint, note });
}

async function endOldKeys(
  context: CommandContext,
  { installation, record, options }: Rotation,
): Promise<void> {
  const { terminal, run } = context;
  const { retiring, tenant, keys, zone, instance } = record;
  if (retiring === undefined) {
    const fix = "begin one with --request";
    throw new CommandFailure("failed", `no change of ${zone} ${instance}'s keys is under way`, { fix });
  }
  const admin = await reachRelay(run, installation, options);
  const live = await onRelay(admin, installation, { tenant, keys: [keys.nats, retiring.nats] });
  if (options.force !== true && (live.includes(retiring.nats) || !live.includes(keys.nats))) {
    const what = `${zone} ${instance} is not on the relay with its new key${live.length > 0 ? ", but with its old one" : ""}`;
    throw new CommandFailure("refused", what, { fix: "install its bundle where it runs; or say --force" });
  }
  const now = new Date();
  await storeRevocation(installation, { tenant, keys: [retiring.nats], at: now });
  await pushAccount(admin, installation, tenant);
  const { retiring: _, ...changed } = { ...record, issuedAt: now.toISOString() };
  await storeRecord(installation, changed);
  const own = await handOut(installation, changed, now);
  const others = [own, ...(await reissueFor(installation, changed, now))];
  if (options.json) outJson(terminal, { zone, instance, tenant, ended: retiring.nats, others });
  else {
    terminal.out(`ended: the old keys of ${zone} ${instance}\n`);
    terminal.say(handOutText(others));
  }
}
