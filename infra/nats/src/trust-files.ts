import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Trust, type TrustDocuments } from "./trust.ts";

const documentsFile = "trust.json";
const operatorFile = "operator.nk";
const systemFile = "system-account.nk";
const accountsFolder = "accounts";

/** Writes keys (0600) and public documents into a folder (0700). A file that is there is never overwritten. */
export async function storeTrust(trust: Trust, folder: string): Promise<void> {
  await mkdir(join(folder, accountsFolder), { recursive: true, mode: 0o700 });
  const seeds = trust.seeds();
  await writeNew(join(folder, operatorFile), seeds.operator);
  await writeNew(join(folder, systemFile), seeds.systemAccount);
  for (const [tenant, seed] of Object.entries(seeds.accounts))
    await writeNew(join(folder, accountsFolder, `${tenant}.nk`), seed);
  await writeNew(join(folder, documentsFile), documentsText(trust));
}

/** After a revocation: the documents in one step, on disk when this returns. The keys stay as they are. */
export async function storeDocuments(trust: Trust, folder: string): Promise<void> {
  await replaceFile(join(folder, documentsFile), documentsText(trust));
}

/** The trust stored in a folder, or undefined when there is none. Half of one is an error. */
export async function loadTrust(folder: string): Promise<Trust | undefined> {
  const text = await readIfThere(join(folder, documentsFile));
  if (text === undefined) return undefined;
  const documents = JSON.parse(text.toString("utf8")) as TrustDocuments;
  const tenants = (await readdir(join(folder, accountsFolder))).flatMap((file) =>
    file.endsWith(".nk") ? [file.slice(0, -3)] : [],
  );
  const accounts = await Promise.all(
    tenants.map(
      async (tenant) => [tenant, await readFile(join(folder, accountsFolder, `${tenant}.nk`))] as const,
    ),
  );
  return Trust.restore(documents, {
    operator: await readFile(join(folder, operatorFile)),
    systemAccount: await readFile(join(folder, systemFile)),
    accounts: Object.fromEntries(accounts),
  });
}

/** Creates a file that only its owner may read; fails when it exists. */
export async function writeNew(path: string, content: Uint8Array | string): Promise<void> {
  await writeFile(path, content, { flag: "wx", mode: 0o600 });
}

/** Whoever reads meanwhile, and a crash, leave the old file or the new one. */
async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}.draft`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

const documentsText = (trust: Trust) => `${JSON.stringify(trust.documents, null, 2)}\n`;

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
