import type { Capabilities } from "@sallyport/isolation";

const sentences = {
  "shared-uid":
    "All sandboxes run as the runner's own user, because only a root runner can give each a user of its own: what the kernel counts by user they share.",
  none: "No cgroup can be made here, so memory, processes and processor time have no limit, and claims that ask for one are refused.",
  tmpfs:
    "Nothing can be mounted here, so a workspace has no base folder and no limit of files, and claims that ask for one are refused.",
} as const;

/** Pure: what is weaker in this class than in the strictest, a sentence each. */
export function weaknesses({ user, limits, workspace }: Capabilities["class"]): readonly string[] {
  return [
    ...(user === "shared-uid" ? [sentences["shared-uid"]] : []),
    ...(limits === "none" ? [sentences.none] : []),
    ...(workspace === "tmpfs" ? [sentences.tmpfs] : []),
  ];
}
