import { spawn } from "node:child_process";
import { setTimeout as after } from "node:timers";
import { watchOver } from "./watch.ts";

export interface TaskSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** Where it works: it goes with the task when the process that waits for it is killed. */
  readonly folder: string;
  /** Milliseconds. A task that takes longer is ended, and its `code` is null. */
  readonly within: number;
}

export interface TaskEnd {
  readonly code: number | null;
  /** The last of what it said, at most 64 KiB. */
  readonly stderr: string;
}

const mostSaid = 65_536;

/** Run a program to its end, in the environment that we have. Nothing of it outlives us, however we end. */
export async function runTask({ command, args, folder, within }: TaskSpec): Promise<TaskEnd> {
  const child = spawn(command, [...args], {
    cwd: folder,
    detached: true, // a group of its own, so that what it started is ended with it
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-mostSaid);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const { pid } = child;
  if (pid === undefined) return { code: await ended, stderr };
  const watcher = watchOver(pid, folder);
  const late = after(() => process.kill(-pid, "SIGKILL"), within);
  try {
    return { code: await ended, stderr };
  } finally {
    clearTimeout(late);
    watcher.kill("SIGKILL");
  }
}
