import { readdirSync, readFileSync, statSync } from "node:fs";
import type { UidRange } from "@sallyport/isolation";

/** Host pids of what runs under the uids of sandboxes; one that has ended and waits to be told of does not. */
export function processesOf({ first, count }: UidRange): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const uid = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? -1;
      return uid >= first && uid < first + count && runs(pid);
    });
}

/** In MiB: what is its own, and its share of what it shares. A process that has ended has none. */
export function pssOf(pid: number): number {
  try {
    const line = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
    return Number(line?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
