import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { createUser, fromSeed } from "@nats-io/jwt";
import type { Zone } from "@sallyport/contracts";
import { generateRecipientKey, openBox, privateKeyText, readPrivateKeyText, sealBox } from "@sallyport/seal";
import { type ZoneKeys, ZoneRequest } from "./request.ts";
import { readIfThere, replaceFile, writeNew } from "./write-file.ts";
import { nextOf, zoneFolder } from "./zone-files.ts";
import { zoneNeeds } from "./zones.ts";

/** A wish that cannot be done as the folder is. The message says what to do. */
export class ZoneFolderError extends Error {
  override readonly name = "ZoneFolderError";
  readonly fix: string;
  constructor(what: string, fix: string) {
    super(what);
    this.fix = fix;
  }
}

/**
 * Makes a zone's own keys (0600), which stay in the folder, and the request with their public halves. `renew` makes new
 * ones beside those in use: they take their place when a bundle says so. A seal key counts from now on, so that it does not
 * matter whether edges or this zone hear of it first.
 */
export async function makeZoneKeys(
  folder: string,
  who: { zone: Zone; instance: string },
  { renew = false, now = new Date() }: { renew?: boolean; now?: Date } = {},
): Promise<ZoneRequest> {
  const at = (file: string) => join(folder, file);
  const natsFile = at(renew ? nextOf(zoneFolder.natsSeed) : zoneFolder.natsSeed);
  await checkFolder(folder, { renew, natsFile });
  const needs = zoneNeeds[who.zone];
  const keys: ZoneKeys = { nats: "" };
  if (needs.seal) {
    const { publicKey, privateKey } = await generateRecipientKey();
    const line = `${privateKeyText(privateKey)}\n`;
    const [current = ""] = renew ? await linesOf(at(zoneFolder.sealKey)) : [];
    if (renew) await replaceFile(at(zoneFolder.sealKey), `${line}${current}\n`);
    else await writeNew(at(zoneFolder.sealKey), line);
    keys.seal = publicKey;
  }
  if (needs.grant) {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const file = at(renew ? nextOf(zoneFolder.grantKey) : zoneFolder.grantKey);
    await writeNew(file, privateKey.export({ format: "pem", type: "pkcs8" }));
    keys.grant = publicKey.export({ format: "pem", type: "spki" }).toString();
  }
  const user = createUser();
  keys.nats = user.getPublicKey();
  await writeNew(natsFile, Buffer.concat([user.getSeed(), Buffer.from("\n")]));
  const request = { format: "sallyport-request/1" as const, ...who, madeAt: now.toISOString(), keys };
  await replaceFile(at(zoneFolder.request), `${JSON.stringify(request, null, 2)}\n`, 0o644);
  return ZoneRequest.parse(request);
}

async function checkFolder(folder: string, { renew, natsFile }: { renew: boolean; natsFile: string }) {
  const current = await readIfThere(join(folder, zoneFolder.natsSeed));
  if (renew && current === undefined)
    throw new ZoneFolderError(`${folder} has no keys to renew`, "make its first ones, without --renew");
  if ((await readIfThere(natsFile)) === undefined) return;
  if (renew) {
    const fix = `give ${join(folder, zoneFolder.request)} to the operator and install the bundle, or remove ${natsFile} to begin again`;
    throw new ZoneFolderError("new keys were made before and wait for their bundle", fix);
  }
  throw new ZoneFolderError(
    `${folder} has keys already, and they were left as they are`,
    "say --renew to make new ones",
  );
}

/** The NATS seeds that a folder keeps, by public key. */
export async function keptNatsSeeds(
  folder: string,
): Promise<Map<string, { file: string; seed: Uint8Array }>> {
  const kept = new Map<string, { file: string; seed: Uint8Array }>();
  for (const name of [zoneFolder.natsSeed, nextOf(zoneFolder.natsSeed)]) {
    const file = join(folder, name);
    const text = await readIfThere(file);
    if (text === undefined) continue;
    const seed = Buffer.from(text.trim());
    kept.set(fromSeed(seed).getPublicKey(), { file, seed });
  }
  return kept;
}

/** Public half, PEM, of each grant key that a folder keeps → its file. */
export async function keptGrantKeys(folder: string): Promise<Map<string, string>> {
  const kept = new Map<string, string>();
  for (const name of [zoneFolder.grantKey, nextOf(zoneFolder.grantKey)]) {
    const file = join(folder, name);
    const text = await readIfThere(file);
    if (text === undefined) continue;
    const publicKey = createPublicKey(createPrivateKey(text))
      .export({ format: "pem", type: "spki" })
      .toString();
    kept.set(publicKey, file);
  }
  return kept;
}

/** The lines of a folder's seal key, newest first, each with the public key among these that it opens, if any. */
export async function keptSealKeys(
  folder: string,
  publicKeys: readonly string[],
): Promise<{ line: string; publicKey: string | undefined }[]> {
  const lines = await linesOf(join(folder, zoneFolder.sealKey));
  return await Promise.all(lines.map(async (line) => ({ line, publicKey: await opensOf(line, publicKeys) })));
}

/** A private key is the other half of the public one when it opens what is sealed to it. */
async function opensOf(line: string, publicKeys: readonly string[]): Promise<string | undefined> {
  const privateKey = readPrivateKeyText(line);
  for (const publicKey of publicKeys) {
    const box = await sealBox(publicKey, Buffer.from("probe"), "probe");
    const opened = await openBox(privateKey, box, "probe").catch(() => undefined);
    if (opened !== undefined) return publicKey;
  }
  return undefined;
}

async function linesOf(file: string): Promise<string[]> {
  return ((await readIfThere(file)) ?? "").split(/\r?\n/).filter((line) => line !== "");
}
