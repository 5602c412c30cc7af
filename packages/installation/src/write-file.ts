import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Modes of files: what is secret, and what other users of the machine may read. */
export const modes = { secret: 0o600, public: 0o644 } as const;

/** On disk when it returns. Fails with EEXIST where the file is there: nothing is overwritten. */
export async function writeNew(
  file: string,
  content: string | Uint8Array,
  mode: number = modes.secret,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(file, "wx", mode);
  try {
    await handle.writeFile(content);
    await handle.chmod(mode); // whatever the umask
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** In one step: who reads meanwhile, and a crash, leave the old file or the new one. */
export async function replaceFile(
  file: string,
  content: string | Uint8Array,
  mode: number = modes.secret,
): Promise<void> {
  // Its name ends in no way that a zone reads: `.json`, `.pem`.
  const draft = `${file}.${randomBytes(6).toString("hex")}.draft`;
  try {
    await writeNew(draft, content, mode);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
