import { readdir, readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

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

/** As `pidsWith`, once there are so many: a process in the middle of an exec has no command line. */
export async function atLeast(count: number, text: string): Promise<readonly number[]> {
  const deadline = performance.now() + patienceMilliseconds;
  for (;;) {
    const pids = await pidsWith(text);
    if (pids.length >= count || performance.now() > deadline) return pids;
    await pause(10);
  }
}

const patienceMilliseconds = 4_000;
