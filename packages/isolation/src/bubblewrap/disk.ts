import { execFile } from "node:child_process";
import { chown, mkdir } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import type { SandboxSpec } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";

const run = promisify(execFile);
const bounded = { timeout: 10_000, maxBuffer: 65_536, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } };

/**
 * Mounts the workspace of one sandbox below `folder` and returns its path: a tmpfs of the size asked for, and over it,
 * where there is a base, an overlay whose changes go to that tmpfs. Its pages count as the memory of the sandbox that
 * wrote them. Needs root: an overlay mounted in the sandbox's own user namespace could not copy a file of another
 * owner (EOVERFLOW).
 */
export async function mountWorkspace(
  folder: string,
  uid: number,
  { base, bytes, inodes }: SandboxSpec["workspace"],
): Promise<string> {
  const disk = join(folder, "disk");
  const upper = join(disk, "upper");
  const work = join(disk, "work");
  await mkdir(disk, { mode: 0o711 });
  // Three inodes are its own folders; an overlay makes two more below `work`.
  const count = inodes === undefined ? [] : [`nr_inodes=${inodes + (base === undefined ? 3 : 5)}`];
  await mount("tmpfs", [`size=${bytes}`, ...count, "mode=0711"], disk);
  for (const each of [upper, work]) await mkdir(each, { mode: 0o755 });
  await chown(upper, uid, uid);
  if (base === undefined) return upper;
  if (!isAbsolute(base) || /[,:\\]/.test(base))
    throw new IsolationError("refused", "an absolute path without comma, colon and backslash", {
      field: "workspace.base",
    });
  const merged = join(folder, "merged");
  await mkdir(merged, { mode: 0o711 });
  await mount("overlay", [`lowerdir=${base}`, `upperdir=${upper}`, `workdir=${work}`], merged);
  return merged;
}

/** Once the sandbox's last process is gone, nothing holds them. What isn't mounted is as good as unmounted. */
export async function unmountWorkspace(folder: string): Promise<void> {
  for (const name of ["merged", "disk"])
    await run("umount", [join(folder, name)], bounded).catch((cause: unknown) => {
      const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : "";
      if (!/not mounted|no mount point|not found/.test(said)) throw cause;
    });
}

async function mount(type: string, options: readonly string[], place: string): Promise<void> {
  const all = [...options, "nosuid", "nodev"].join(",");
  await run("mount", ["-t", type, "-o", all, "sallyport", place], bounded);
}
