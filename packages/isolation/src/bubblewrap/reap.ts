import { emptied } from "./end.ts";
import type { StartDeps } from "./start.ts";

/**
 * Puts away what an earlier life of this runner left: it was killed, so its sandboxes died with it, but their cgroups,
 * mounts and folders did not. Returns the number of sandboxes found.
 */
export async function reap({ state, cgroups, living }: StartDeps): Promise<number> {
  const found = new Set([...((await cgroups?.ids()) ?? []), ...(await state.ids())]);
  const leftovers = [...found].filter((id) => !living.has(id));
  for (const id of leftovers) {
    const cgroup = cgroups?.existing(id);
    if (cgroup) {
      await emptied(cgroup);
      await cgroup.remove();
    }
    await state.remove(id);
  }
  return leftovers.length;
}
