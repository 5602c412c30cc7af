import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";

const checkout = join(import.meta.dirname, "../../../..");

/** How another user runs what lies in this checkout. */
export interface AnotherUser {
  /** Words before a command. */
  readonly through: readonly string[];
  /** A path as that user finds it. */
  seen(path: string): string;
}

/**
 * For a test that is root. The other user may not be able to pass to the checkout, which may lie in a home or in somebody's
 * temporary folder: it is mounted where everybody can pass, for the command alone, and gone with it.
 *
 * @param folder one that others can pass through
 */
export async function anotherUser(uid: number, folder: string): Promise<AnotherUser> {
  const view = join(folder, "checkout");
  await mkdir(view, { mode: 0o755 });
  const mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
  return {
    through: [
      ...["/usr/bin/unshare", "--mount", "--propagation", "private"],
      ...["/bin/sh", "-c", mount, "sh", checkout, view],
      ...["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"],
    ],
    seen: (path) => {
      const within = relative(checkout, path);
      return within.startsWith("..") ? path : join(view, within);
    },
  };
}
