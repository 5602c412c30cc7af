import { readdir, readFile } from "node:fs/promises";

/** Pids, as the host counts them, of processes that have this text in their command line. */
export async function pidsWith(text: string): Promise<readonly number[]> {
  const all = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    all.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
      return line.includes(text) ? [Number(pid)] : [];
    }),
  );
  return found.flat().filter((pid) => pid !== process.pid);
}
