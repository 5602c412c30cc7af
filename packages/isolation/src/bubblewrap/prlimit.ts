import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const bounded = { timeout: 10_000, maxBuffer: 4_096, env: { PATH: "/usr/bin:/bin" } };

/** util-linux's program, where it is. Node cannot set the limits of a process that it starts. */
export async function findPrlimit(): Promise<string | undefined> {
  return await run("prlimit", ["--version"], bounded).then(
    () => "prlimit",
    () => undefined,
  );
}

/**
 * Limits the processes and threads of a sandbox by its first process, before that starts another: the kernel counts them
 * by user and user namespace (RLIMIT_NPROC, getrlimit(2)), and each sandbox has its own. Memory and processor time it
 * limits for each process alone, which is no limit for a sandbox. Asked by the sandbox's own user, who needs no right for
 * it: a root in a container often has no CAP_SYS_RESOURCE.
 */
export async function limitProcesses(
  prlimit: string,
  { pid, uid, pids }: { readonly pid: number; readonly uid: number | undefined; readonly pids: number },
): Promise<void> {
  const user = uid === undefined ? {} : { uid, gid: uid };
  await run(prlimit, ["--pid", String(pid), `--nproc=${pids}:${pids}`], { ...bounded, cwd: "/", ...user });
}
