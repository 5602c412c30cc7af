import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** How to run a program that refuses to run as root. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Words to put before the command; then it changes user itself, and is spawned as we are. */
  readonly through: readonly string[];
}

/**
 * PostgreSQL refuses to run as root. An ordinary user needs nothing (undefined). Root runs it as `nobody`,
 * who exists everywhere: no user is created, so none is left behind. Where `nobody` can't reach one of the
 * paths (a checkout below /root), it gets the one capability to pass over file permissions, on Linux.
 */
export async function unprivileged(paths: readonly string[]): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([idOf("-u"), idOf("-g")]);
  const reachable = (await Promise.all(paths.map(openToAll))).every(Boolean);
  if (reachable) return { uid, gid, through: [] };
  if (process.platform !== "linux") {
    throw new Error(
      `PostgreSQL does not run as root, and "nobody" can't reach ${paths.join(" or ")}: run as another user`,
    );
  }
  // initdb asks access(2) about its neighbours, which looks at capabilities only when set-user-id fix-ups are off.
  const capability = [
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
  ];
  const user = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  return { uid, gid, through: ["/usr/bin/setpriv", ...user, ...capability, "--"] };
}

async function idOf(flag: "-u" | "-g"): Promise<number> {
  const { stdout } = await run("/usr/bin/id", [flag, "nobody"], { timeout: 10_000 });
  return Number(stdout.trim());
}

/** Every folder above may be entered by anyone. */
async function openToAll(path: string): Promise<boolean> {
  const above = dirname(path);
  const mayEnter = ((await stat(above)).mode & 0o001) !== 0;
  return mayEnter && (above === dirname(above) || (await openToAll(above)));
}
