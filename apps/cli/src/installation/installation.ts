import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Zone } from "@sallyport/contracts";
import {
  accountsConfig,
  issueUser,
  loadTrust,
  signUser,
  storeDocuments,
  storeTenant,
  type Trust,
} from "@sallyport/infra-nats";
import {
  type Bundle,
  bundleFor,
  InstallationFacts,
  InstanceRecord,
  publicUrlOf,
  readIfThere,
  replaceFile,
  signBundle,
  toldOf,
} from "@sallyport/installation";
import type { z } from "zod";
import { CommandFailure } from "../command-failure.ts";

/** Where things lie in the operator's folder. */
export const installationFolder = {
  facts: "installation.json",
  trust: "trust",
  relayOperator: "trust/relay-operator.creds",
  accounts: "relay/accounts.conf",
  relayCa: "relay/relay-ca.pem",
  relayCaKey: "trust/relay-ca.key",
  relayCertificate: "relay/tls.crt",
  relayKey: "relay/tls.key",
  creds: "creds",
  zones: "zones",
  bundles: "bundles",
} as const;

/** The operator's folder: keys, what is the same for all zones, and a record of each instance. */
export interface Installation {
  folder: string;
  facts: InstallationFacts;
  trust: Trust;
  records: InstanceRecord[];
}

/** `--installation`, else the folder one is in. */
export async function openInstallation(folder: string | undefined): Promise<Installation> {
  const at = resolve(folder ?? ".");
  const trust = await loadTrust(join(at, installationFolder.trust)).catch((cause: unknown) => {
    throw unreadable(at, cause);
  });
  if (trust === undefined) {
    throw new CommandFailure(
      "config",
      `${at} is no installation: it has no ${installationFolder.trust}/trust.json`,
      {
        setting: "--installation",
        fix: "name the folder that `sallyport init` made, or make one",
      },
    );
  }
  try {
    const facts = InstallationFacts.parse(readJson(join(at, installationFolder.facts)));
    return { folder: at, facts, trust, records: readRecords(join(at, installationFolder.zones)) };
  } catch (cause) {
    throw unreadable(at, cause);
  }
}

function unreadable(folder: string, cause: unknown): CommandFailure {
  const why = cause instanceof Error ? cause.message : String(cause);
  const fix = "restore the folder from its backup: keys, records and JWTs belong together";
  return new CommandFailure("config", `${folder} cannot be read: ${why}`, {
    setting: "--installation",
    fix,
    cause,
  });
}

function notForTwo(error: z.ZodError): CommandFailure {
  const [issue] = error.issues;
  return new CommandFailure("usage", `${issue?.path.join(".")}: ${issue?.message}`, {
    setting: "--public-url",
    fix: "say with --public-url what this tenant's agents call",
  });
}

export const factsText = (facts: InstallationFacts) => `${JSON.stringify(facts, null, 2)}\n`;

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));

function readRecords(folder: string): InstanceRecord[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".json"),
  );
  return files.sort().map((file) => InstanceRecord.parse(readJson(join(folder, file))));
}

/** The record of one instance. Without a tenant there must be one of that name alone. */
export function recordOf(
  { records, folder }: Installation,
  who: { zone: Zone; instance: string; tenant: string | undefined },
): InstanceRecord {
  const found = records.filter(
    ({ zone, instance, tenant }) =>
      zone === who.zone && instance === who.instance && (who.tenant === undefined || tenant === who.tenant),
  );
  const [record, ...others] = found;
  if (record === undefined) {
    const fix = "see which are: sallyport zone list";
    throw new CommandFailure("failed", `no ${who.zone} ${who.instance} has a bundle of ${folder}`, { fix });
  }
  if (others.length === 0) return record;
  const tenants = found.map(({ tenant }) => tenant).join(", ");
  throw new CommandFailure("usage", `several tenants have a ${who.zone} ${who.instance}: ${tenants}`, {
    setting: "--tenant",
    fix: "say whose with --tenant",
  });
}

/** Keeps a record, in the folder and here. On disk when it returns. */
export async function storeRecord(installation: Installation, record: InstanceRecord): Promise<void> {
  const { zone, instance, tenant } = record;
  const file = join(installation.folder, installationFolder.zones, tenant, `${zone}-${instance}.json`);
  await replaceFile(file, `${JSON.stringify(record, null, 2)}\n`);
  const same = (one: InstanceRecord) =>
    one.zone === zone && one.instance === instance && one.tenant === tenant;
  installation.records = [...installation.records.filter((one) => !same(one)), record];
}

/**
 * A tenant's account and its provisioner's creds. What is there is left as it is, so that it can be run again.
 *
 * @returns the creds file
 */
export async function keepTenant(
  installation: Installation,
  { tenant, publicUrl }: { tenant: string; publicUrl: string | undefined },
): Promise<string> {
  const { folder, trust, facts } = installation;
  const at = (name: string) => join(folder, name);
  const there = facts.tenants.includes(tenant) ? publicUrlOf(facts, tenant) : undefined;
  if (there !== undefined && publicUrl !== undefined && publicUrl !== there) {
    const fix = "leave --public-url out: tokens and bundles that are out there are for the one it has";
    const what = `the tenant ${tenant} is there, with ${there}`;
    throw new CommandFailure("refused", what, { setting: "--public-url", fix });
  }
  const publicUrls =
    publicUrl === undefined ? {} : { publicUrls: { ...facts.publicUrls, [tenant]: publicUrl } };
  const tenants = [...new Set([...facts.tenants, tenant])];
  const changed = InstallationFacts.safeParse({ ...facts, tenants, ...publicUrls });
  if (!changed.success) throw notForTwo(changed.error);
  if (!trust.tenants().includes(tenant)) await trust.addTenant(tenant);
  await storeTenant(trust, tenant, at(installationFolder.trust));
  await replaceFile(at(installationFolder.accounts), accountsConfig(trust));
  const creds = at(`${installationFolder.creds}/${tenant}/provisioner.creds`);
  if ((await readIfThere(creds)) === undefined)
    await replaceFile(creds, await issueUser(trust, "provisioner", tenant));
  await replaceFile(at(installationFolder.facts), factsText(changed.data));
  installation.facts = changed.data;
  return creds;
}

/** Cuts NATS users off in the installation: in the account's JWT, and in what a relay begins with. */
export async function storeRevocation(
  { folder, trust }: Installation,
  of: { tenant: string; keys: readonly string[]; at: Date },
): Promise<void> {
  for (const key of of.keys) await trust.revoke(of.tenant, key, of.at);
  await storeDocuments(trust, join(folder, installationFolder.trust));
  await replaceFile(join(folder, installationFolder.accounts), accountsConfig(trust));
}

/** An instance's bundle as of now. */
export async function issueBundle(
  { trust, facts, records }: Installation,
  record: InstanceRecord,
  now: Date,
): Promise<Bundle> {
  const { zone, instance, tenant, keys } = record;
  const jwt = await signUser(trust, { zone, instance }, { tenant, publicKey: keys.nats });
  const account = trust.documents.accounts[tenant]?.jwt ?? "";
  const unsigned = bundleFor(record, { installation: facts, records, nats: { jwt, account }, now });
  return signBundle(unsigned, (bytes) => trust.signAsOperator(bytes));
}

/** A bundle that was made anew in `bundles/`, to be handed to its zone's owner. */
export interface HandOut {
  zone: Zone;
  instance: string;
  file: string;
}

/** Makes the bundles anew of those who are told of a change, in `bundles/`. */
export async function reissueFor(
  installation: Installation,
  record: InstanceRecord,
  now: Date,
): Promise<HandOut[]> {
  const told = toldOf(record, installation.records);
  return await Promise.all(told.map((one) => handOut(installation, one, now)));
}

export async function handOut(
  installation: Installation,
  record: InstanceRecord,
  now: Date,
): Promise<HandOut> {
  const { zone, instance, tenant } = record;
  const name = `${zone}-${instance}.bundle.json`;
  const file = join(installation.folder, installationFolder.bundles, tenant, name);
  await writeBundle(file, await issueBundle(installation, record, now));
  return { zone, instance, file };
}

/** A bundle is public: its reader checks who signed it. */
export async function writeBundle(file: string, bundle: Bundle): Promise<void> {
  await replaceFile(file, `${JSON.stringify(bundle, null, 2)}\n`, 0o644);
}
