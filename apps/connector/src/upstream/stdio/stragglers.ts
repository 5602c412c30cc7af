import { readdir, readFile } from "node:fs/promises";

/** Marks every process that a server starts, unless it clears its environment. */
export const MARKER_VARIABLE = "SALLYPORT_CHILD";

const maxRounds = 20;

/**
 * Kills what a server left behind. Its process group has been killed; what made a group or a session of its own (setsid,
 * a double fork) is found by the marker in its environment, or by the session of the server. Again until none is found,
 * for one that forks meanwhile. Linux only: elsewhere there is no such list, and the group is all that is killed.
 *
 * Not found: a process that left the group and the session and also wrote over its environment. Only a sandbox holds that.
 */
export async function killStragglers(leader: number, marker: string): Promise<number> {
  let killed = 0;
  for (let round = 0; round < maxRounds; round += 1) {
    const found = await stragglers(leader, marker);
    if (found.length === 0) return killed;
    for (const pid of found) if (kill(pid)) killed += 1;
  }
  return killed;
}

async function stragglers(leader: number, marker: string): Promise<number[]> {
  const entries = await readdir("/proc").catch(() => []);
  const pids = entries.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  const needle = Buffer.from(`${MARKER_VARIABLE}=${marker}`);
  for (const pid of pids) {
    if (pid === process.pid) continue;
    if ((await isMarked(pid, needle)) || (await isOfSession(pid, leader))) found.push(pid);
  }
  return found;
}

/** Unreadable: another user's, or gone. A zombie's is empty. */
async function isMarked(pid: number, needle: Buffer): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
  return environment?.includes(needle) ?? false;
}

/** proc(5): `pid (name) state ppid pgrp session …`; the name may hold spaces and parentheses. */
async function isOfSession(pid: number, leader: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  const [state, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(session) === leader && state !== "Z";
}

function kill(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}
