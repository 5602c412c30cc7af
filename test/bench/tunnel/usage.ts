import { readFileSync } from "node:fs";

/** Clock ticks of Linux's /proc: 100 a second on every architecture Node runs on. */
const tickMicroseconds = 10_000;

/** CPU time of a process so far, user and system, in microseconds (proc_pid_stat(5)). */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMicroseconds;
}

/** Memory in MiB: what is a process's own, and its share of what it shares with others, such as Node's code (PSS). */
export function memoryOf(pid: number): number {
  const line = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(line?.[1] ?? 0) / 1024;
}
