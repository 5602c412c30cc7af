import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, replaceFile, writeNew } from "@sallyport/installation";
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

/** After `addTenant`: its key, then the documents that name it. */
export async function storeTenant(trust: Trust, tenant: string, folder: string): Promise<void> {
  const seed = trust.seeds().accounts[tenant];
  if (seed === undefined) throw new RangeError(`there is no tenant ${tenant}`);
  // A key that no document names is of a command that did not end: it is worth nothing.
  await replaceFile(join(folder, accountsFolder, `${tenant}.nk`), seed);
  await storeDocuments(trust, folder);
}

/** After a revocation: the documents in one step, on disk when this returns. The keys stay as they are. */
export async function storeDocuments(trust: Trust, folder: string): Promise<void> {
  await replaceFile(join(folder, documentsFile), documentsText(trust));
}

/** The trust stored in a folder, or undefined when there is none. Half of one is an error. */
export async function loadTrust(folder: string): Promise<Trust | undefined> {
  const text = await readIfThere(join(folder, documentsFile));
  if (text === undefined) return undefined;
  const documents = JSON.parse(text) as TrustDocuments;
  const accounts = await Promise.all(
    Object.keys(documents.accounts).map(
      async (tenant) => [tenant, await readFile(join(folder, accountsFolder, `${tenant}.nk`))] as const,
    ),
  );
  return Trust.restore(documents, {
    operator: await readFile(join(folder, operatorFile)),
    systemAccount: await readFile(join(folder, systemFile)),
    accounts: Object.fromEntries(accounts),
  });
}

const documentsText = (trust: Trust) => `${JSON.stringify(trust.documents, null, 2)}\n`;
