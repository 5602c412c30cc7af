import type { SandboxSpec } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";

/** Descriptors that the launcher gives to bubblewrap; the first, 3, is the agent's and alone is left to the sandbox. */
const descriptors = { seccomp: 5, info: 6, block: 7 } as const;

export interface Places {
  /** Folder of files that become /etc. */
  readonly etc: string;
  /** Files of /proc to cover with nothing. */
  readonly covered: readonly string[];
  /** The mounted workspace. Without one it is a tmpfs of bubblewrap's own, which has no limit of inodes. */
  readonly workspace: string | undefined;
  /** Whether the first process inside waits for a word until its processes are limited. */
  readonly waits: boolean;
}

/** Inside, whoever it is outside. */
export const insideId = 1000;

/**
 * Pure: bubblewrap's arguments. They go through a descriptor, because the sandbox's first process is bubblewrap itself
 * and its command line can be read inside. Order matters: a later mount covers an earlier one, and the root is made
 * read-only last.
 */
export function bubblewrapArgs(spec: SandboxSpec, places: Places): readonly string[] {
  const temporary = String(spec.temporaryBytes);
  return [
    // --unshare-all alone only tries the user namespace; --disable-userns needs it for certain.
    ...["--unshare-user", "--unshare-all", "--disable-userns", "--cap-drop", "ALL"],
    ...["--new-session", "--die-with-parent", "--hostname", "sandbox"],
    ...["--uid", String(insideId), "--gid", String(insideId)],
    ...["--ro-bind", spec.toolchain ?? "/usr", "/usr"],
    ...["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
    ...["--ro-bind", places.etc, "/etc"],
    ...(spec.certificates === undefined
      ? []
      : ["--ro-bind", spec.certificates, "/etc/ssl/certs/ca-certificates.crt"]),
    // bubblewrap's own cover of /proc/sys is skipped for some callers: this is the second fence.
    ...["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"],
    ...places.covered.flatMap((file) => ["--ro-bind", "/dev/null", file]),
    // Without a size of its own, /dev/shm is as large as half of the host's memory, and /dev too.
    ...[
      "--dev",
      "/dev",
      "--size",
      temporary,
      "--perms",
      "1777",
      "--tmpfs",
      "/dev/shm",
      "--remount-ro",
      "/dev",
    ],
    ...["--size", temporary, "--perms", "1777", "--tmpfs", "/tmp", "--dir", "/tmp/home"],
    ...workspace(spec, places.workspace),
    ...["--ro-bind", spec.agent.file, "/sallyport/agent"],
    ...(spec.egress === undefined ? [] : ["--ro-bind", spec.egress.socket, "/run/sallyport/egress.sock"]),
    ...["--remount-ro", "/", "--chdir", "/workspace"],
    ...["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"],
    ...["--setenv", "HOME", "/tmp/home", "--setenv", "LANG", "C.UTF-8"],
    ...["--seccomp", String(descriptors.seccomp)],
    ...["--info-fd", String(descriptors.info)],
    ...(places.waits ? ["--block-fd", String(descriptors.block)] : []),
  ];
}

function workspace({ workspace }: SandboxSpec, mounted: string | undefined): readonly string[] {
  if (mounted !== undefined) return ["--bind", mounted, "/workspace"];
  if (workspace.base !== undefined || workspace.inodes !== undefined)
    throw new IsolationError("refused", "a runner that is not root has neither", { field: "workspace" });
  return ["--size", String(workspace.bytes), "--perms", "0755", "--tmpfs", "/workspace"];
}
