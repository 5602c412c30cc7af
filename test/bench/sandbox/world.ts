import { randomBytes } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  bubblewrapDriver,
  passableFolder,
  reachableBubblewrap,
  type SandboxSpec,
  type UidRange,
} from "@sallyport/isolation";
import { buildAgent, SandboxClient } from "@sallyport/sandbox-agent";
import { findTool } from "@sallyport/testkit";

export interface SandboxWorld {
  readonly bwrap: string;
  readonly agent: string;
  readonly folder: string;
  readonly name: string;
  readonly uids: UidRange;
  readonly spec: SandboxSpec;
  /** A sandbox whose agent has answered. */
  start(change?: Partial<SandboxSpec>): Promise<Started>;
  close(): Promise<void>;
}

export interface Started {
  readonly client: SandboxClient;
  /** Its agent ends by itself, as it does when its session ends. */
  end(): Promise<void>;
  /** The sandbox is killed, with an agent that was not told. */
  kill(): Promise<void>;
}

const MiB = 1_048_576;

/** The hardened driver as a root runner has it: each sandbox its own uid, cgroup and sized disk. */
export async function openSandboxWorld(say: (line: string) => void): Promise<SandboxWorld> {
  if (process.geteuid?.() !== 0) throw new Error("the bench measures what a root runner has: run it as root");
  const folder = await passableFolder("sallyport-bench-");
  // Other users must reach them: beside everything else of the bench, whatever folder the cache is in.
  const found = await findTool("bwrap", { onProgress: say });
  const bwrap = await reachableBubblewrap(found, folder);
  const agent = await buildAgent({ cacheFolder: join(folder, "agent") });
  await chmod(join(folder, "agent"), 0o711);
  const draw = randomBytes(4);
  const name = `bench-${draw.toString("hex")}`;
  const uids = { first: 1_200_000_000 + draw.readUInt16BE(0) * 256, count: 256 };
  const driver = await bubblewrapDriver({ bwrap, name, state: join(folder, "state"), uids });
  const spec: SandboxSpec = {
    agent: { file: agent },
    workspace: { bytes: 64 * MiB, inodes: 10_000 },
    temporaryBytes: 16 * MiB,
    limits: { memoryBytes: 256 * MiB, pids: 64, cpus: 2 },
  };
  const { class: judged } = await driver.probe();
  say(`class: ${Object.values(judged).join(", ")}`);
  return {
    bwrap,
    agent,
    folder,
    name,
    uids,
    spec,
    async start(change = {}) {
      const sandbox = await driver.create({ ...spec, ...change });
      const client = new SandboxClient(sandbox.socket);
      await client.ping();
      return {
        client,
        async end() {
          client.close();
          await sandbox.destroy();
        },
        async kill() {
          await sandbox.destroy();
        },
      };
    },
    async close() {
      await driver.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
