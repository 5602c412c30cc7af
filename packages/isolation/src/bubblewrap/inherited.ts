import { readdir, readFile } from "node:fs/promises";

const closeOnExec = 0o2000000;

/**
 * Descriptors above stderr that whoever started the runner left open in it, and that every program it starts inherits:
 * a log, a lock, a control socket. bubblewrap would hand them on into the sandbox. (Those that Node opens itself close
 * on exec.)
 */
export async function inheritedDescriptors(): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc/self/fd")) {
    // One that is gone by now was that of the listing.
    const info = await readFile(`/proc/self/fdinfo/${name}`, "utf8").catch(() => "");
    const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
    const kept = flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
    if (kept && Number(name) > 2) found.push(Number(name));
  }
  return found;
}
