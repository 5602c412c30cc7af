import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * When this process dies without a chance to clean up (SIGKILL, a crash), nothing tells its servers.
 * So each has a watcher: a shell that reads from a pipe whose other end only we hold. The kernel closes
 * it when we end, however we end; then the shell kills the server's process group and removes its
 * temporary folder. Works on Linux and macOS. The watcher sits in a group of its own, out of Ctrl-C's way.
 */
export function watchOver(group: number, temporaryFolder: string | undefined): ChildProcess {
  const script =
    'read -r _; kill -s KILL -- "-$1" 2>/dev/null; [ -z "$2" ] || { sleep 0.2; rm -rf -- "$2"; }';
  const watcher = spawn("/bin/sh", ["-c", script, "watch", String(group), temporaryFolder ?? ""], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: { PATH: "/usr/bin:/bin" },
  });
  watcher.on("error", () => {}); // no /bin/sh: servers then outlive a killed parent, nothing worse
  watcher.stdin?.on("error", () => {}); // the watcher went first
  (watcher.stdin as Socket | null)?.unref();
  watcher.unref();
  return watcher;
}
