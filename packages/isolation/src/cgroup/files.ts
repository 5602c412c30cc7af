import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";

/** Pure. The content of a file of one number; undefined where there is none. */
export function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Pure. The number after `key` in a file of `key number` lines. */
export function keyOf(text: string | undefined, key: string): number | undefined {
  const line = text?.split("\n").find((each) => each.startsWith(`${key} `));
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
