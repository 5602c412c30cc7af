import { hash } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fmtCreds, fromSeed } from "@nats-io/jwt";
import { z } from "zod";
import { type Bundle, Bundle as BundleShape } from "./bundle.ts";
import type { BundleProblem } from "./check-bundle.ts";
import { modes, readIfThere, replaceFile, writeNew } from "./write-file.ts";
import { publicFilesOf, settingsFileOf, settingsOf, zoneFolder } from "./zone-files.ts";
import { keptGrantKeys, keptNatsSeeds, keptSealKeys } from "./zone-keys.ts";
import { zoneNeeds } from "./zones.ts";

/** What was installed in a folder last: whose bundles it takes, and what its settings file was. */
const Installed = z.object({
  operator: z.string(),
  zone: BundleShape.shape.zone,
  instance: z.string(),
  issuedAt: z.iso.datetime(),
  settings: z.string(),
});
export type Installed = z.output<typeof Installed>;

export async function readInstalled(folder: string): Promise<Installed | undefined> {
  const text = await readIfThere(join(folder, zoneFolder.installed));
  return text === undefined ? undefined : Installed.parse(JSON.parse(text));
}

const anew = "make a request here, and ask the operator for a bundle that answers it";

/** Whether a bundle's keys are those that this folder keeps, and whether it is not older than what is there. */
export async function problemsWithFolder(bundle: Bundle, folder: string): Promise<BundleProblem[]> {
  const problems: BundleProblem[] = [];
  const installed = await readInstalled(folder);
  const here = installed && `${installed.zone} ${installed.instance}`;
  if (here !== undefined && here !== `${bundle.zone} ${bundle.instance}`)
    return [
      {
        what: `it is for ${bundle.zone} ${bundle.instance}; this folder is ${here}'s`,
        fix: "name the right folder",
      },
    ];
  if (!(await keptNatsSeeds(folder)).has(bundle.nats.publicKey))
    problems.push({ what: `its NATS user is not of a key that is kept in ${folder}`, fix: anew });
  const { seal = [], grant = [] } = bundle.keys;
  if (zoneNeeds[bundle.zone].seal) {
    const kept = await keptSealKeys(folder, seal);
    if (seal[0] === undefined || !kept.some(({ publicKey }) => publicKey === seal[0]))
      problems.push({ what: `its seal key is not one that is kept in ${folder}`, fix: anew });
  }
  if (zoneNeeds[bundle.zone].grant && !(await keptGrantKeys(folder)).has(grant[0] ?? ""))
    problems.push({ what: `its grant key is not one that is kept in ${folder}`, fix: anew });
  if (installed !== undefined && bundle.issuedAt < installed.issuedAt) {
    // An old bundle brings back whom a newer one has cut off.
    const what = `it was issued at ${bundle.issuedAt}, before the one that is installed (${installed.issuedAt})`;
    problems.push({ what, fix: "install the newest bundle" });
  }
  return problems;
}

export interface InstallReport {
  /** Files that are new or other than before. */
  written: string[];
  /** Edges and enrolments that the bundle does not have any more. */
  removed: string[];
  /** A settings file that was changed on this machine, and left as it is. */
  kept: string[];
}

/**
 * Writes what a checked bundle makes of a zone's folder, each file in one step; a running process follows them. Whom it
 * believes comes first, then its new credentials, and what counts no more goes last.
 */
export async function installBundle(bundle: Bundle, folder: string): Promise<InstallReport> {
  const report: InstallReport = { written: [], removed: [], kept: [] };
  const write = async (name: string, content: string | Uint8Array, mode: number) => {
    const file = join(folder, name);
    if ((await readIfThere(file)) === Buffer.from(content).toString()) return;
    await replaceFile(file, content, mode);
    report.written.push(name);
  };
  const needs = zoneNeeds[bundle.zone];
  const files = publicFilesOf(bundle);
  for (const name of [needs.edges && zoneFolder.edges, needs.enrolments && zoneFolder.enrolments])
    if (name) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  for (const [name, content] of files) await write(name, content, modes.public);
  await takeNatsKey(bundle, folder, write);
  if (needs.grant) await takeGrantKey(bundle, folder, report);
  await writeSettings(bundle, folder, { write, report });
  report.removed = await removeOthers(folder, files);
  if (needs.seal) await dropSealKeys(bundle, folder, write);
  const { operator, zone, instance, issuedAt } = bundle;
  const installed: Installed = { operator, zone, instance, issuedAt, settings: digest(settingsOf(bundle)) };
  await replaceFile(
    join(folder, zoneFolder.installed),
    `${JSON.stringify(installed, null, 2)}\n`,
    modes.public,
  );
  return report;
}

type Write = (name: string, content: string | Uint8Array, mode: number) => Promise<void>;

/** Creds are the bundle's JWT and the seed that never left. */
async function takeNatsKey(bundle: Bundle, folder: string, write: Write): Promise<void> {
  const kept = (await keptNatsSeeds(folder)).get(bundle.nats.publicKey);
  if (kept === undefined) throw new Error("checked before: the seed is kept here");
  await write(zoneFolder.creds, fmtCreds(bundle.nats.jwt, fromSeed(kept.seed)), modes.secret);
  await moveTo(kept.file, join(folder, zoneFolder.natsSeed));
}

/** From here on the edge signs with the newest key that the bundle has; the others were told of it before. */
async function takeGrantKey(bundle: Bundle, folder: string, report: InstallReport): Promise<void> {
  const file = (await keptGrantKeys(folder)).get(bundle.keys.grant?.[0] ?? "");
  if (file === undefined) throw new Error("checked before: the grant key is kept here");
  if (await moveTo(file, join(folder, zoneFolder.grantKey))) report.written.push(zoneFolder.grantKey);
}

async function moveTo(from: string, to: string): Promise<boolean> {
  if (from === to) return false;
  await rename(from, to);
  return true;
}

/** A file that a person changed since the last installation is that person's. */
async function writeSettings(
  bundle: Bundle,
  folder: string,
  { write, report }: { write: Write; report: InstallReport },
): Promise<void> {
  const name = settingsFileOf(bundle);
  const there = await readIfThere(join(folder, name));
  const last = (await readInstalled(folder))?.settings;
  if (there === undefined || digest(there) === last) {
    await write(name, settingsOf(bundle), modes.public);
    return;
  }
  if (withoutHeader(there) !== withoutHeader(settingsOf(bundle))) report.kept.push(name);
}

/** Edges and enrolments that are in the folder and not in the bundle count no more. */
async function removeOthers(folder: string, files: ReadonlyMap<string, string>): Promise<string[]> {
  const removed: string[] = [];
  for (const [sub, end] of [
    [zoneFolder.edges, ".pem"],
    [zoneFolder.enrolments, ".json"],
  ] as const) {
    const names = await readdir(join(folder, sub)).catch(() => [] as string[]);
    for (const name of names.filter((one) => one.endsWith(end)).map((one) => join(sub, one))) {
      if (files.has(name)) continue;
      await rm(join(folder, name));
      removed.push(name);
    }
  }
  return removed;
}

/** Keeps the keys that the bundle has, and newer ones whose bundle is still to come. */
async function dropSealKeys(bundle: Bundle, folder: string, write: Write): Promise<void> {
  const kept = await keptSealKeys(folder, bundle.keys.seal ?? []);
  const oldest = kept.findLastIndex(({ publicKey }) => publicKey !== undefined);
  const lines = kept.slice(0, oldest + 1).map(({ line }) => `${line}\n`);
  await write(zoneFolder.sealKey, lines.join(""), modes.secret);
}

const digest = (text: string) => hash("sha256", withoutHeader(text), "hex");
/** The first line says which bundle it was: that alone is no change. */
const withoutHeader = (text: string) => text.replace(/^#.*\n/, "");

/** What it takes to connect as a bundle says, in another folder: the zone's own stays as it is. */
export async function writeConnectFiles(
  bundle: Bundle,
  { from, to }: { from: string; to: string },
): Promise<{ creds: string; caFile: string | undefined }> {
  const kept = (await keptNatsSeeds(from)).get(bundle.nats.publicKey);
  if (kept === undefined) throw new Error("checked before: the seed is kept there");
  const creds = join(to, zoneFolder.creds);
  await writeNew(creds, fmtCreds(bundle.nats.jwt, fromSeed(kept.seed)), modes.secret);
  if (bundle.relay.ca === undefined) return { creds, caFile: undefined };
  const caFile = join(to, zoneFolder.relayCa);
  await writeNew(caFile, bundle.relay.ca, modes.public);
  return { creds, caFile };
}
