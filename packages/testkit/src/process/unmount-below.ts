import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Of util-linux. */
const program = "umount";

/** Takes away what is mounted below a folder, the innermost first. Only Linux says what is. */
export function unmountBelow(folder: string): void {
  if (process.platform !== "linux") return;
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const paths = mounts
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of paths.reverse()) spawnSync(program, [path], { stdio: "ignore", timeout: 10_000 });
}
