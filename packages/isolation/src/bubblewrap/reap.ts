import { unmountAll } from "./disk.ts";
import { emptied } from "./end.ts";
import type { StartDeps } from "./start.ts";

/**
 * Puts away what an earlier life of this runner left: it was killed, so its sandboxes died with it, but their cgroups,
 * mounts and folders did not. Returns the number of sandboxes found.
 */
export async function reap({ state, cgroups, launcher, uids, living }: StartDeps): Promise<number> {
  const found = new Set([...((await cgroups?.ids()) ?? []), ...(await state.ids())]);
  const leftovers = [...found].filter((id) => !living.has(id));
  for (const id of leftovers) {
    const cgroup = cgroups?.of(id);
    if (cgroup) await emptied(cgroup);
    // Only root has mounted anything.
    await launcher.run([...(cgroup?.remove ?? []), ...(uids ? unmountAll(state.folder(id)) : [])]);
    await state.remove(id);
  }
  return leftovers.length;
}
