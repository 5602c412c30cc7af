import { AsyncLocalStorage } from "node:async_hooks";
import { resolve } from "node:path";

/** The folder of the file being read, for the length of one parse. */
const folder = new AsyncLocalStorage<string>();

export function inConfigFolder<T>(path: string, parse: () => T): T {
  return folder.run(path, parse);
}

/** A path of a configuration is relative to the file that names it, so a configuration can be moved as a whole. */
export function fromConfigFolder(path: string): string {
  return resolve(folder.getStore() ?? ".", path);
}
