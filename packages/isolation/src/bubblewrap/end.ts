import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Cgroup } from "../cgroup/cgroup.ts";
import { IsolationError } from "../isolation-error.ts";
import type { Launched } from "../launcher/launcher.ts";

const patienceMilliseconds = 5_000;

/**
 * Ends every process of a sandbox. The kernel ends a pid namespace with its first process, whatever its members forked,
 * ignored or stopped, and reports that one gone only after all others.
 */
export async function endSandbox(
  { first, kill, ended }: Launched,
  cgroup: Cgroup | undefined,
): Promise<void> {
  kill();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patienceMilliseconds);
  });
  await Promise.race([ended, late]);
  clearTimeout(timer);
  if (!cgroup) await gone(first);
}

/**
 * A sandbox whose agent ended by itself is told by bubblewrap before its first process, and with it all others, is gone.
 * Waits for no longer than that can take: by then the number may be another's.
 */
async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + 1_000;
  while (Date.now() < deadline) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (stat === "" || /\) [ZX] /.test(stat)) return;
    await pause(2);
  }
}

/** Kills what is in a group until nothing is. Throws when something stays: a process in uninterruptible sleep. */
export async function emptied(cgroup: Cgroup): Promise<void> {
  const deadline = Date.now() + patienceMilliseconds;
  for (;;) {
    const pids = await cgroup.pids();
    if (pids.length === 0) return;
    if (Date.now() > deadline)
      throw new IsolationError(
        "setup",
        `processes ${pids.join(" ")} did not end in ${patienceMilliseconds} ms`,
      );
    pids.forEach(kill);
    await pause(2);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
