import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findTool } from "@sallyport/testkit";
import type { Sandbox, SandboxSpec } from "../driver.ts";
import { ask } from "../probe/ask.ts";
import { insideAgent } from "../probe/inside.ts";
import { type BubblewrapDriver, type BubblewrapOptions, bubblewrapDriver } from "./driver.ts";
import { passableFolder as newFolder, reachableBubblewrap } from "./reachable.ts";

export const MiB = 1_048_576;

export interface World {
  readonly driver: BubblewrapDriver;
  readonly options: BubblewrapOptions;
  /** A folder for the test's own files, gone afterwards. */
  readonly folder: string;
  readonly spec: SandboxSpec;
  /** A sandbox with something of the spec changed. */
  start(change?: Partial<SandboxSpec>): Promise<Sandbox>;
  close(): Promise<void>;
}

/** A driver of its own in a folder of its own. As root its uids are drawn, so that test files do not meet. */
export async function openWorld(): Promise<World> {
  const folder = await passableFolder();
  const file = join(folder, "agent");
  await writeFile(file, insideAgent, { mode: 0o755 });
  const draw = randomBytes(4);
  const options: BubblewrapOptions = {
    bwrap: await reachableBubblewrap(await findTool("bwrap"), folder),
    name: `test-${draw.toString("hex")}`,
    state: join(folder, "state"),
    ...(process.geteuid?.() === 0
      ? { uids: { first: 1_000_000 + draw.readUInt16BE(0) * 64, count: 64 } }
      : {}),
  };
  const driver = await bubblewrapDriver(options);
  const spec: SandboxSpec = {
    agent: { file },
    workspace: { bytes: 8 * MiB },
    temporaryBytes: 4 * MiB,
    limits: isRoot ? { memoryBytes: 96 * MiB, pids: 32, cpus: 1 } : {},
  };
  return {
    driver,
    options,
    folder,
    spec,
    start: (change) => driver.create({ ...spec, ...change }),
    async close() {
      await driver.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A new folder that other users can pass through. */
export const passableFolder = (): Promise<string> => newFolder("sallyport-isolation-");

export const isRoot = process.geteuid?.() === 0;

export const inside = (sandbox: Sandbox, perl: string): Promise<string> => ask(sandbox.socket, perl);
