import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { buildAgent } from "./build-agent.ts";
import { SandboxClient, type SandboxLimits } from "./sandbox-client.ts";

const cacheFolder = join(import.meta.dirname, "../../../.cache/sandbox-agent");

/** The real agent, outside a sandbox, in a folder of its own. */
export interface LiveAgent extends AsyncDisposable {
  readonly client: SandboxClient;
  readonly socket: Duplex;
  readonly folder: string;
  readonly process: ChildProcess;
  readonly gone: Promise<unknown>;
}

export async function startAgent(limits: Partial<SandboxLimits> = {}): Promise<LiveAgent> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-sandbox-agent-"));
  const child = spawn(await buildAgent({ cacheFolder }), [], {
    cwd: folder,
    env: {},
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const gone = once(child, "exit");
  const socket = child.stdio[3] as Duplex;
  const client = new SandboxClient(socket, limits);
  return {
    client,
    socket,
    folder,
    process: child,
    gone,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
