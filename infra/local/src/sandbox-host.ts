import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { passableFolder, reachableBubblewrap } from "@sallyport/isolation";
import { findTool, mayMakeUserNamespaces, unmountBelow } from "@sallyport/testkit";

const sysAdmin = 21n;

/** Whether this process may give each sandbox a user, limits and a mounted workspace of its own. */
export function hasStrongSandboxes(): boolean {
  const [, effective = "0"] =
    /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  const mayMount = ((BigInt(`0x${effective}`) >> sysAdmin) & 1n) === 1n;
  return process.geteuid?.() === 0 && mayMount;
}

/** Why no sandboxes can be made here at all; undefined where they can. */
export function whyNoSandboxes(): string | undefined {
  if (process.platform !== "linux") return "sandboxes need Linux";
  if (hasStrongSandboxes()) return undefined;
  if (process.geteuid?.() === 0) return "a root without CAP_SYS_ADMIN can mount nothing for them";
  return mayMakeUserNamespaces() ? undefined : "this user may make no user namespaces";
}

/** What a runner on this machine needs of it, in the words of its configuration. */
export interface SandboxHost {
  settings: { bwrap: string; state: string; uids?: { first: number; count: number } };
  stop(): Promise<void>;
}

/**
 * Sandboxes of a runner that is root have uids of their own, so what they are started from lies where other users can
 * pass: not below a home, nor in a private temporary folder. The uids are drawn, so that two stacks do not share any.
 */
export async function sandboxHost(): Promise<SandboxHost> {
  const state = await passableFolder("sallyport-sandboxes-");
  const uids =
    process.geteuid?.() === 0
      ? { uids: { first: 1_000_000 + randomBytes(2).readUInt16BE() * 1024, count: 1024 } }
      : {};
  return {
    settings: { bwrap: await reachableBubblewrap(await findTool("bwrap"), state), state, ...uids },
    stop: async () => {
      // A runner that was killed, and not started again, has put nothing away.
      unmountBelow(state);
      await rm(state, { recursive: true, force: true });
    },
  };
}
