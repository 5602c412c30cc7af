import type { IsolationDriver, Sandbox, SandboxSpec } from "@sallyport/isolation";
import {
  type CommandOptions,
  type CommandResult,
  PersistentShell,
  SandboxClient,
  SandboxFiles,
} from "@sallyport/sandbox-agent";
import { environmentFor } from "@sallyport/sandbox-egress";
import type { Workbench } from "../tools/tool.ts";
import type { Door } from "./door.ts";

const workspace = "/workspace";
const proxyPort = 3128;
const doorInside = "/run/sallyport/egress.sock";
const trustInside = "/etc/ssl/certs/ca-certificates.crt";

/** One sandbox that runs: its agent, its files, its shell. */
export interface LiveSandbox extends Workbench {
  readonly id: string;
  /** Whether a command runs now. */
  readonly busy: boolean;
  /** Resolves with why, when nothing can be asked of it any more. */
  readonly ended: Promise<string>;
  destroy(): Promise<void>;
}

export interface SandboxMake {
  driver: Pick<IsolationDriver, "create">;
  spec: SandboxSpec;
  env: Readonly<Record<string, string>>;
  /** Opened before the sandbox, closed after it. */
  door?: Door | undefined;
}

/**
 * Makes a sandbox and waits until the agent in it answers, and its way out is there. Throws IsolationError or
 * SandboxError, with nothing left.
 */
export async function startSandbox(make: SandboxMake): Promise<LiveSandbox> {
  const { driver, door } = make;
  const undo: (() => Promise<unknown>)[] = [];
  if (door !== undefined) undo.push(() => door.close());
  const destroy = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const sandbox = await driver.create({ ...make.spec, ...specOfDoor(door) });
    undo.push(() => sandbox.destroy());
    const client = new SandboxClient(sandbox.socket);
    undo.push(async () => client.close());
    await client.ping();
    const files = new SandboxFiles(client, { cwd: workspace });
    if (door !== undefined) {
      await files.bridge(proxyPort, doorInside);
      for (const [path, content] of door.files) await files.write(path, content, { mode: 0o600 });
    }
    const env = { ...make.env, ...environmentOfDoor(door) };
    const shell = new BusyShell(client, files, { cwd: workspace, env });
    return {
      id: sandbox.id,
      files,
      shell,
      get busy() {
        return shell.running > 0;
      },
      ended: Promise.race([client.ended.then(({ message }) => message), sandbox.ended.then(saidAtEnd)]),
      destroy,
    };
  } catch (error) {
    await destroy();
    throw error;
  }
}

function specOfDoor(door: Door | undefined): Pick<SandboxSpec, "egress" | "certificates"> {
  return door === undefined ? {} : { egress: { socket: door.socket }, certificates: door.certificates };
}

function environmentOfDoor(door: Door | undefined): Record<string, string> {
  if (door === undefined) return {};
  return {
    ...environmentFor(`http://127.0.0.1:${proxyPort}`, trustInside, door.javaTrust),
    ...door.environment,
  };
}

function saidAtEnd({ code }: Awaited<Sandbox["ended"]>): string {
  return `the sandbox has ended ${code === undefined ? "by a signal" : `with code ${code}`}`;
}

/** A command that takes long is no idle session. */
class BusyShell extends PersistentShell {
  running = 0;

  override async run(command: string, options?: CommandOptions): Promise<CommandResult> {
    this.running += 1;
    try {
      return await super.run(command, options);
    } finally {
      this.running -= 1;
    }
  }
}
