import { spawn } from "node:child_process";
import { MARKER_VARIABLE } from "./stragglers.ts";

/**
 * `read` ends when the pipe does, however the connector ends. A second lets an orderly server finish: its own input has
 * ended too. Then its group, and twice whatever else carries the marker or is of its session (proc(5), `stat`).
 */
const SCRIPT = `
read -r group marker || exit 0
read -r _
sleep 1
kill -s KILL -- "-$group" 2>/dev/null
for round in 1 2; do
  for process in /proc/[0-9]*; do
    session=
    { read -r stat <"$process/stat" && set -- \${stat##*) } && session=$4; } 2>/dev/null
    [ "$session" = "$group" ] || grep -qs -- "${MARKER_VARIABLE}=$marker" "$process/environ" || continue
    kill -s KILL "\${process#/proc/}" 2>/dev/null
  done
done`;

/**
 * A server outlives nobody: when the connector is killed without warning (SIGKILL, out of memory), this shell, which
 * holds a pipe from it, ends the server. What it must know comes by the pipe, so that it is on no command line.
 */
export function watchOver(group: number, marker: string): { release(): void } {
  const shell = spawn("/bin/sh", ["-c", SCRIPT], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: { PATH: "/usr/bin:/bin" },
  });
  // Without a shell a server that ignores the end of its input outlives a killed connector, nothing worse.
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  shell.stdin.write(`${group} ${marker}\n`);
  shell.unref();
  return { release: () => void shell.kill("SIGKILL") };
}
