import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type BubblewrapDriver,
  type Capabilities,
  IsolationError,
  type Protects,
  type SandboxSpec,
} from "@sallyport/isolation";
import type { Seen } from "./attack.ts";
import { type Door, type Doors, doorsIn } from "./doors.ts";
import { type Inside, insideOf } from "./inside.ts";
import { type Neighbours, openNeighbours } from "./neighbours.ts";
import { perlWords } from "./perl.ts";
import type { Programs } from "./programs.ts";

const MiB = 1_048_576;

/** Of every sandbox of the list, so that no bomb grows past what a host does not notice. */
export const bounds = {
  memoryMiB: 64,
  pids: 64,
  cpus: 0.5,
  workspaceMiB: 16,
  inodes: 512,
  temporaryMiB: 4,
} as const;

export interface Canary {
  /** Random, and nowhere but where it was planted: to see it inside is to see the runner. */
  readonly secret: string;
  /** Whether this runner was started with it in its environment, in an open descriptor and in its session keyring. */
  readonly planted: boolean;
}

/** What an attack works with. */
export interface World {
  readonly driver: BubblewrapDriver;
  readonly capabilities: Capabilities;
  readonly canary: Canary;
  readonly neighbours: Neighbours;
  readonly doors: Doors;
  /** For an attack's own files on the host, which other users can pass through. */
  readonly folder: string;
  readonly spec: SandboxSpec;
  readonly programs: Programs;
  /** The door of the sandbox that `shared` is. */
  readonly door: Door;
  proven(field: Protects): boolean;
  /** A new sandbox, which ends with the world at the latest. */
  start(change?: Partial<SandboxSpec>): Promise<Inside>;
  /** One for all attacks that leave it as it was. */
  shared(): Promise<Inside>;
  /** A claim that asks for what this class cannot enforce: refused, or an escape. */
  refused(change: Partial<SandboxSpec>, why: string): Promise<Seen>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly driver: BubblewrapDriver;
  readonly capabilities: Capabilities;
  readonly canary: Canary;
  /** Empty, and gone with the world. */
  readonly folder: string;
  readonly programs: Programs;
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const { driver, capabilities, canary, folder, programs } = options;
  const program = await readFile(programs.attack);
  const neighbours = await openNeighbours(join(folder, "neighbours"), canary.secret);
  const doors = doorsIn(folder);
  const door = await doors.open();
  const proven = (field: Protects) =>
    capabilities.checks.every((one) => one.protects !== field || one.proven);
  const spec = specOf(programs.agent, proven);
  const started: Inside[] = [];
  const start = async (change: Partial<SandboxSpec> = {}): Promise<Inside> => {
    const sandbox = await driver.create({ ...spec, ...change });
    const inside = insideOf({ sandbox, program, perlWords });
    started.push(inside);
    return inside;
  };
  let shared: Promise<Inside> | undefined;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(started.map((inside) => inside.destroy()));
    await doors.close();
    await neighbours.close();
  };
  return {
    driver,
    capabilities,
    canary,
    neighbours,
    doors,
    folder,
    spec,
    programs,
    door,
    proven,
    start,
    shared() {
      shared ??= start({ egress: { socket: door.socket } });
      return shared;
    },
    async refused(change, why) {
      try {
        await (await start(change)).destroy();
        return { verdict: "escaped", seen: "a claim that asks for it was taken" };
      } catch (error) {
        if (!(error instanceof IsolationError) || error.code !== "refused") throw error;
        return { verdict: "weaker", seen: `a claim that asks for ${error.field} is refused`, why };
      }
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}

/** The strictest that this class has proven. */
function specOf(agent: string, proven: (field: Protects) => boolean): SandboxSpec {
  return {
    agent: { file: agent },
    workspace: {
      bytes: bounds.workspaceMiB * MiB,
      ...(proven("workspace.inodes") ? { inodes: bounds.inodes } : {}),
    },
    temporaryBytes: bounds.temporaryMiB * MiB,
    limits: {
      ...(proven("limits.memoryBytes") ? { memoryBytes: bounds.memoryMiB * MiB } : {}),
      ...(proven("limits.pids") ? { pids: bounds.pids } : {}),
      ...(proven("limits.cpus") ? { cpus: bounds.cpus } : {}),
    },
  };
}
