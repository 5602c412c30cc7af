import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Trust, type TrustDocuments } from "./trust.ts";

const documentsFile = "trust.json";
const seedFiles = { operator: "operator.nk", systemAccount: "system-account.nk", account: "account.nk" };

/** Writes keys (0600) and public documents into a folder (0700). A file that is there is never overwritten. */
export async function storeTrust(trust: Trust, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const seeds = trust.seeds();
  for (const name of ["operator", "systemAccount", "account"] as const) {
    await writeNew(join(folder, seedFiles[name]), seeds[name]);
  }
  await writeNew(join(folder, documentsFile), JSON.stringify(trust.documents, null, 2));
}

/** The trust stored in a folder, or undefined when there is none. Half of one is an error. */
export async function loadTrust(folder: string): Promise<Trust | undefined> {
  const text = await readIfThere(join(folder, documentsFile));
  if (text === undefined) return undefined;
  const seed = (name: keyof typeof seedFiles) => readFile(join(folder, seedFiles[name]));
  return Trust.restore(JSON.parse(text.toString("utf8")) as TrustDocuments, {
    operator: await seed("operator"),
    systemAccount: await seed("systemAccount"),
    account: await seed("account"),
  });
}

/** Creates a file that only its owner may read; fails when it exists. */
export async function writeNew(path: string, content: Uint8Array | string): Promise<void> {
  await writeFile(path, content, { flag: "wx", mode: 0o600 });
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
