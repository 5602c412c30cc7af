import { execFile } from "node:child_process";
import { chown, mkdir, readdir } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import type { SandboxSpec } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import type { Layers } from "../workspace/diff.ts";
import { type ImportOptions, importArchive } from "../workspace/import-archive.ts";
import type { WorkspaceError } from "../workspace/workspace-error.ts";

const run = promisify(execFile);
const bounded = { timeout: 10_000, maxBuffer: 65_536, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } };

/** Where an archive comes from that says nothing of its own number of entries. */
const usualEntries = 100_000;

/**
 * Mounts the workspace of one sandbox below `folder` and returns where it is: a tmpfs of the size asked for, and over it,
 * where there is a base, an overlay whose changes go to that tmpfs. Its pages count as the memory of the sandbox that
 * wrote them. Needs root: an overlay mounted in the sandbox's own user namespace could not copy a file of another
 * owner (EOVERFLOW).
 */
export async function mountWorkspace(
  folder: string,
  { base, bytes, inodes }: SandboxSpec["workspace"],
  { uid, archive }: { readonly uid: number; readonly archive: AsyncIterable<Uint8Array> | undefined },
): Promise<Layers> {
  const disk = join(folder, "disk");
  const upper = join(disk, "upper");
  const work = join(disk, "work");
  await mkdir(disk, { mode: 0o711 });
  // Three inodes are its own folders; an overlay makes two more below `work`.
  const count = inodes === undefined ? [] : [`nr_inodes=${inodes + (base === undefined ? 3 : 5)}`];
  await mount("tmpfs", [`size=${bytes}`, ...count, "mode=0711"], disk);
  for (const each of [upper, work]) await mkdir(each, { mode: 0o755 });
  await chown(upper, uid, uid);
  if (archive) await fill(upper, archive, { owner: uid, bytes, entries: inodes ?? usualEntries });
  if (base === undefined) return { upper, merged: upper, base };
  if (!isAbsolute(base) || /[,:\\]/.test(base))
    throw new IsolationError("refused", "an absolute path without comma, colon and backslash", {
      field: "workspace.base",
    });
  const merged = join(folder, "merged");
  await mkdir(merged, { mode: 0o711 });
  // Of a folder that was renamed, or a file that had its mode set, the layer would hold a reference alone.
  const whole = ["redirect_dir=off", "metacopy=off", "index=off"];
  await mount("overlay", [`lowerdir=${base}`, `upperdir=${upper}`, `workdir=${work}`, ...whole], merged);
  return { upper, merged, base };
}

/** Before the overlay and the sandbox: nobody else sees it half filled, or can change it meanwhile. */
async function fill(
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  options: Omit<ImportOptions, "folder">,
): Promise<void> {
  await importArchive(archive, { folder, ...options }).catch((cause: WorkspaceError) => {
    throw new IsolationError("refused", cause.message, { field: "workspace.archive", cause });
  });
}

/** Once the sandbox's last process is gone, nothing holds them. What isn't mounted is as good as unmounted. */
export async function unmountWorkspace(folder: string): Promise<void> {
  const there: readonly string[] = await readdir(folder).catch(() => []);
  const places = ["merged", "disk"].filter((name) => there.includes(name)).map((name) => join(folder, name));
  if (places.length === 0) return;
  await run("umount", places, bounded).catch((cause: unknown) => {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
    const gone = said !== "" && said.split("\n").every((line) => /not mounted|no mount point/.test(line));
    if (!gone) throw cause;
  });
}

async function mount(type: string, options: readonly string[], place: string): Promise<void> {
  const all = [...options, "nosuid", "nodev"].join(",");
  await run("mount", ["-t", type, "-o", all, "sallyport", place], bounded);
}
