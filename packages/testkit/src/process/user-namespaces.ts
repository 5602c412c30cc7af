import { spawnSync } from "node:child_process";

const trial = ["unshare", "--user", "--map-root-user", "--mount", "--net", "true"] as const;

/** Whether this user may make user namespaces, by making one. False too where there is no util-linux. */
export function mayMakeUserNamespaces(): boolean {
  const [program, ...args] = trial;
  return spawnSync(program, args, { stdio: "ignore", timeout: 10_000 }).status === 0;
}
