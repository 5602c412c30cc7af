import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { InstanceRecord } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { confirm } from "../../confirm.ts";
import {
  type HandOut,
  type Installation,
  issueBundle,
  openInstallation,
  reissueFor,
  storeRecord,
  writeBundle,
} from "../../installation/installation.ts";
import { recordFrom } from "./admit.ts";
import { aboutSite, installationOption, type SiteOptions, siteOf, tenantOption } from "./site.ts";

export interface BundleOptions extends SiteOptions {
  installation?: string;
  tenant?: string;
  request?: string;
  servers?: string;
  pools?: string;
  settings?: string;
  out: string;
  replace?: boolean;
  yes?: boolean;
}

export function bundleCommand(context: CommandContext): Command {
  return aboutSite(
    command(context, {
      name: "bundle",
      summary: "make a zone's bundle: one file with all that it needs, and no secret",
      more:
        "With --request it admits a new instance; without, it makes the bundle of a known one anew, as things are now.\n" +
        "Bundles of zones that have to hear of the change are made anew in the installation's bundles/.",
      examples: [
        "zone bundle connector --site paris --request paris/request.json --tenant acme --servers crm,wiki --out paris.bundle.json",
        "zone bundle edge --site edge-1 --out edge-1.bundle.json --replace",
      ],
    }),
  )
    .addOption(installationOption())
    .addOption(tenantOption())
    .option("--request <file>", "what the zone asked for")
    .option("--servers <names>", "the servers that a connector may answer for, with commas between")
    .option("--pools <names>", "the pools that a runner may answer for")
    .option("--settings <file>", "more of the zone's own settings, YAML")
    .requiredOption("--out <file>", "where the bundle goes")
    .option("--replace", "the file may be there already")
    .option("-y, --yes", "the fingerprint was compared; do not ask")
    .action(async (zone: string, options: BundleOptions) => {
      const installation = await openInstallation(options.installation);
      const { record, fingerprint } = recordFrom(installation, siteOf(zone, options), options);
      const out = outFile(options);
      if (fingerprint !== undefined)
        await compare(context, { record, fingerprint, yes: options.yes === true });
      await finish(context, { installation, record, out, json: options.json === true, fingerprint });
    });
}

/** Asks for the word of a person who spoke with the zone's owner. */
export async function compare(
  { terminal, run }: CommandContext,
  of: { record: InstanceRecord; fingerprint: string; yes: boolean },
): Promise<void> {
  const { zone, instance, tenant } = of.record;
  terminal.say(`zone:        ${zone} ${instance}\ntenant:      ${tenant}\nfingerprint: ${of.fingerprint}\n`);
  await confirm(terminal, `Did the owner of ${zone} ${instance} read you this fingerprint?`, {
    yes: of.yes,
    signal: run.signal,
  });
}

/** Keeps the record, writes the bundle, and tells who else has to install what. */
export async function finish(
  { terminal }: CommandContext,
  of: {
    installation: Installation;
    record: InstanceRecord;
    out: string;
    json: boolean;
    fingerprint: string | undefined;
    note?: string;
  },
): Promise<void> {
  const now = new Date();
  const record = { ...of.record, issuedAt: now.toISOString() };
  // The bundle first: what cannot be a bundle is no record either.
  const bundle = await issueBundle(
    { ...of.installation, records: [...of.installation.records, record] },
    record,
    now,
  );
  await storeRecord(of.installation, record);
  await writeBundle(of.out, bundle);
  const others = await reissueFor(of.installation, record, now);
  const { zone, instance, tenant } = record;
  if (of.json) {
    const fingerprint = of.fingerprint === undefined ? {} : { fingerprint: of.fingerprint };
    outJson(terminal, {
      zone,
      instance,
      tenant,
      bundle: of.out,
      operator: bundle.operator,
      ...fingerprint,
      others,
    });
    return;
  }
  terminal.out(`bundle:   ${of.out}\noperator: ${bundle.operator}\n`);
  terminal.say(handOutText(others));
  if (of.note !== undefined) terminal.say(`${of.note}\n`);
}

/** What the owners of other zones have to install. */
export function handOutText(others: readonly HandOut[]): string {
  if (others.length === 0) return "";
  const lines = others.map(({ zone, instance, file }) => `  ${zone} ${instance}: ${file}\n`);
  return `These zones have to hear of it. Hand each its bundle, for \`sallyport zone install\`:\n${lines.join("")}`;
}

/** Nothing is overwritten that was not named. */
export function outFile({ out, replace }: { out: string; replace?: boolean }): string {
  const file = resolve(out);
  if (!existsSync(file) || replace === true) return file;
  const fix = "name another file, or say --replace";
  throw new CommandFailure("failed", `${file} exists already`, { setting: "--out", fix });
}
