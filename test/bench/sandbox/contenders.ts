import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { SandboxManager } from "@anthropic-ai/sandbox-runtime";
import { SandboxClient } from "@sallyport/sandbox-agent";
import { runc } from "./runc.ts";
import type { SandboxWorld } from "./world.ts";

export interface Contender {
  readonly name: string;
  /** Resolves when it is ready, with what ends it. */
  start(): Promise<() => Promise<void>>;
}

export interface Contenders {
  /** The first is what the others are compared with. */
  readonly contenders: readonly Contender[];
  /** Who could not take part, and why. */
  readonly absent: readonly string[];
  close(): Promise<void>;
}

export async function openContenders(world: SandboxWorld): Promise<Contenders> {
  const base = join(world.folder, "base");
  await mkdir(base);
  const contenders: Contender[] = [
    rawBubblewrap(world),
    { name: "Sallyport", start: async () => (await world.start()).end },
    {
      name: "Sallyport, workspace over a base",
      start: async () =>
        (await world.start({ workspace: { base, bytes: 64 * 1_048_576, inodes: 10_000 } })).end,
    },
  ];
  const absent: string[] = [];
  const others = { "@anthropic-ai/sandbox-runtime": sandboxRuntime, runc };
  for (const [name, open] of Object.entries(others)) {
    const found = await open(world).catch((cause: Error) => cause);
    if (found instanceof Error) absent.push(`${name}: not measured: ${found.message}`);
    else contenders.push(found);
  }
  return {
    contenders,
    absent,
    close: () => SandboxManager.reset(),
  };
}

/** The same namespaces and agent, started by Node; no disk, cgroup, filter of calls, uid or proof of its own. */
export function rawBubblewrap({ bwrap, agent, uids }: SandboxWorld): Contender {
  const args = [
    ...["--unshare-user", "--unshare-all", "--disable-userns", "--cap-drop", "ALL", "--new-session"],
    ...["--die-with-parent", "--uid", "1000", "--gid", "1000", "--ro-bind", "/usr", "/usr"],
    ...["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/workspace"],
    ...["--ro-bind", agent, "/agent", "--chdir", "/workspace", "--", "/agent"],
  ];
  const uid = uids.first + uids.count;
  return {
    name: "bubblewrap, same namespaces and agent",
    async start() {
      const child = spawn(bwrap, args, {
        env: {},
        cwd: "/",
        uid,
        gid: uid,
        stdio: ["ignore", "ignore", "inherit", "pipe"],
      });
      const client = new SandboxClient(child.stdio[3] as Duplex);
      await client.ping();
      return async () => {
        const exited = once(child, "exit");
        client.close();
        await exited;
      };
    },
  };
}

/** Started once, as its users do; then one command is wrapped and run. It has no agent: ready is when that has ended. */
async function sandboxRuntime({ bwrap }: SandboxWorld): Promise<Contender> {
  await SandboxManager.initialize({
    bwrapPath: bwrap,
    network: { allowedDomains: [], deniedDomains: [] },
    filesystem: { denyRead: [], allowWrite: ["/tmp"], denyWrite: [] },
  });
  const contender: Contender = {
    name: "@anthropic-ai/sandbox-runtime, one command",
    async start() {
      const child: ChildProcess = spawn(await SandboxManager.wrapWithSandbox("true"), {
        shell: true,
        stdio: "ignore",
      });
      const [code] = await once(child, "exit");
      if (code !== 0) throw new Error(`its command ended with ${code}`);
      return async () => {};
    },
  };
  await contender.start();
  return contender;
}
