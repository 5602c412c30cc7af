import { access, lstat } from "node:fs/promises";
import { IsolationError } from "../isolation-error.ts";

/**
 * What is bound into a sandbox as its egress socket must be one. A runner's own user may reach files that its sandboxes
 * may not, so a link that somebody put in its place would bring one of those inside.
 *
 * @throws IsolationError `refused`
 */
export async function assertSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isSocket()) throw new IsolationError("refused", `${path} is not a socket`, { field: "egress" });
}

/** Files of /proc that show, by user, the keys of whoever started us. Not every kernel has keyrings. */
export async function keyFiles(): Promise<readonly string[]> {
  const there = await Promise.all(
    ["/proc/keys", "/proc/key-users"].map((path) =>
      access(path).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return there.flat();
}
