import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

const othersMayPass = 0o001;

/** The first folder on the way down to a path, itself included, that other users cannot pass through. */
export async function impassable(path: string): Promise<string | undefined> {
  const ways: string[] = [];
  for (let at = resolve(path); ; at = dirname(at)) {
    ways.unshift(at);
    if (at === dirname(at)) break;
  }
  for (const way of ways) {
    const found = await stat(way).catch(() => undefined);
    // What is not there yet is made by whoever asks.
    if (found?.isDirectory() && (found.mode & othersMayPass) === 0) return way;
  }
  return undefined;
}
