import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";

/** A file of one number; undefined where there is none. */
export async function readNumber(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  return /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

/** The number after `key` in a file of `key number` lines. */
export async function readKey(file: string, key: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const line = text.split("\n").find((each) => each.startsWith(`${key} `));
  return line === undefined ? undefined : Number(line.slice(key.length + 1));
}

export async function readPids(group: string): Promise<readonly number[]> {
  const text = await readFile(join(group, "cgroup.procs"), "utf8").catch(() => "");
  return text.split("\n").filter(Boolean).map(Number);
}

export async function folders(parent: string): Promise<readonly string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** An absent one is as good as removed. */
export async function removeGroup(group: string): Promise<void> {
  await rmdir(group).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
  });
}
