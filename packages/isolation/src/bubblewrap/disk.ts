import { chown, mkdir } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { SandboxSpec } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import type { Mounts } from "../mounts/mounts.ts";
import type { Layers } from "../workspace/diff.ts";
import { type ImportOptions, importArchive } from "../workspace/import-archive.ts";
import type { WorkspaceError } from "../workspace/workspace-error.ts";

/** Where an archive comes from that says nothing of its own number of entries. */
const usualEntries = 100_000;

export interface WorkspaceOptions {
  readonly mounts: Mounts;
  readonly uid: number;
  readonly archive: AsyncIterable<Uint8Array> | undefined;
}

/**
 * Mounts the workspace of one sandbox below `folder` and returns where it is: a tmpfs of the size asked for, and over it,
 * where there is a base, an overlay whose changes go to that tmpfs. Its pages count as the memory of the sandbox that
 * wrote them. Needs root: an overlay mounted in the sandbox's own user namespace could not copy a file of another
 * owner (EOVERFLOW).
 */
export async function mountWorkspace(
  folder: string,
  { base, bytes, inodes }: SandboxSpec["workspace"],
  { mounts, uid, archive }: WorkspaceOptions,
): Promise<Layers> {
  const disk = join(folder, "disk");
  const upper = join(disk, "upper");
  const work = join(disk, "work");
  await mkdir(disk, { mode: 0o711 });
  // Three inodes are its own folders; an overlay makes two more below `work`.
  const count = inodes === undefined ? [] : [`nr_inodes=${inodes + (base === undefined ? 3 : 5)}`];
  await mounts.mount({
    type: "tmpfs",
    options: [`size=${bytes}`, ...count, "mode=0711"],
    place: disk,
  });
  await Promise.all([upper, work].map((each) => mkdir(each, { mode: 0o755 })));
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
  await mounts.mount({
    type: "overlay",
    options: [`lowerdir=${base}`, `upperdir=${upper}`, `workdir=${work}`, ...whole],
    place: merged,
  });
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

/** Once the sandbox's last process is gone, nothing holds them. */
export async function unmountWorkspace(folder: string, mounts: Mounts): Promise<void> {
  await mounts.unmount([join(folder, "merged"), join(folder, "disk")]);
}
