import type { Capabilities } from "./capabilities.ts";

const sharedUser =
  "All sandboxes run as the runner's own user, because only a root runner can give each a user of its own: what the kernel counts by user they share.";
const noCgroup =
  "No cgroup can be made here, so memory and processor time have no limit, and claims that ask for one are refused.";
const noLimit =
  "No cgroup can be made here, so memory, processes and processor time have no limit, and claims that ask for one are refused.";
const noMount =
  "Nothing can be mounted here, so a workspace has no base folder and no limit of files, and claims that ask for one are refused.";

/** Pure: what is weaker in this class than in the strictest, a sentence each. */
export function weaknesses({ user, limits, workspace }: Capabilities["class"]): readonly string[] {
  const counted = limits === "cgroup-v1" || limits === "cgroup-v2";
  return [
    ...(user === "shared-uid" ? [sharedUser] : []),
    ...(counted ? [] : [limits === "none" ? noLimit : noCgroup]),
    ...(workspace === "tmpfs" ? [noMount] : []),
  ];
}
