import { stat } from "node:fs/promises";
import type { SecretFile } from "@sallyport/runtime";

/** Which login this is, without its secrets. Undefined while a file is away or empty: a shell's `>` empties it first. */
export async function stampOf(files: readonly SecretFile[]): Promise<string | undefined> {
  try {
    const found = await Promise.all(files.map(({ path }) => stat(path, { bigint: true })));
    if (found.some(({ size }) => size === 0n)) return undefined;
    return found.map(({ ino, size, mtimeNs }) => `${ino} ${size} ${mtimeNs}`).join(", ");
  } catch {
    return undefined;
  }
}
