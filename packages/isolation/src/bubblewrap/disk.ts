import { isAbsolute, join } from "node:path";
import type { SandboxSpec } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import type { Step } from "../launcher/steps.ts";
import type { Layers } from "../workspace/diff.ts";
import { type ImportOptions, importArchive } from "../workspace/import-archive.ts";
import type { WorkspaceError } from "../workspace/workspace-error.ts";

/** Where an archive comes from that says nothing of its own number of entries. */
const usualEntries = 100_000;

export interface Disk extends Layers {
  /** Mounts it, empty. */
  readonly mount: readonly Step[];
  /** Lays it over its base, once it is filled. */
  readonly cover: readonly Step[];
  readonly unmount: readonly Step[];
}

/**
 * Pure. The workspace of one sandbox in `folder`, which is its own: a tmpfs of the size asked for, and over it, where
 * there is a base, an overlay whose changes go to that tmpfs. Its pages count as the memory of the sandbox that wrote
 * them. Needs root: an overlay mounted in the sandbox's own user namespace could not copy a file of another owner
 * (EOVERFLOW).
 *
 * @throws IsolationError `refused`
 */
export function diskOf(folder: string, { base, bytes, inodes }: SandboxSpec["workspace"], uid: number): Disk {
  if (base !== undefined && (!isAbsolute(base) || /[,:\\]/.test(base)))
    throw new IsolationError("refused", "an absolute path without comma, colon and backslash", {
      field: "workspace.base",
    });
  const [upper, work, merged] = ["upper", "work", "merged"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  // Three inodes are its own folders; an overlay has its place here too, and makes two more below `work`.
  const own = base === undefined ? 3 : 6;
  const count = inodes === undefined ? [] : [`nr_inodes=${inodes + own}`];
  const options = [`size=${bytes}`, ...count, "mode=0711"];
  return {
    upper,
    merged: base === undefined ? upper : merged,
    base,
    mount: [
      { do: "mount", type: "tmpfs", options, place: folder },
      { do: "mkdir", path: upper, mode: 0o755 },
      { do: "mkdir", path: work, mode: 0o755 },
      { do: "chown", path: upper, uid },
    ],
    cover: base === undefined ? [] : overlay(base, { upper, work, merged }),
    unmount: unmountAll(folder),
  };
}

function overlay(
  base: string,
  { upper, work, merged }: { readonly upper: string; readonly work: string; readonly merged: string },
): readonly Step[] {
  // Of a folder that was renamed, or a file that had its mode set, the layer would hold a reference alone.
  const whole = ["redirect_dir=off", "metacopy=off", "index=off"];
  const options = [`lowerdir=${base}`, `upperdir=${upper}`, `workdir=${work}`, ...whole];
  return [
    { do: "mkdir", path: merged, mode: 0o711 },
    { do: "mount", type: "overlay", options, place: merged },
  ];
}

/** Once the sandbox's last process is gone, nothing holds them. */
export function unmountAll(folder: string): readonly Step[] {
  return [
    { do: "unmount", place: join(folder, "merged") },
    { do: "unmount", place: folder },
  ];
}

/** Before the overlay and the sandbox: nobody else sees it half filled, or can change it meanwhile. */
export async function fill(
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  { inodes, ...options }: Omit<ImportOptions, "folder" | "entries"> & { inodes: number | undefined },
): Promise<void> {
  const entries = inodes ?? usualEntries;
  await importArchive(archive, { folder, ...options, entries }).catch((cause: WorkspaceError) => {
    throw new IsolationError("refused", cause.message, { field: "workspace.archive", cause });
  });
}
