import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "@sallyport/infra-local";
import { until } from "@sallyport/testkit";
import { processTree } from "../../e2e/processes.fixture.ts";
import { beginWork, type Caller, endWork, saidBy } from "../../e2e/sandbox.fixture.ts";
import { heldBy, placeOf } from "../../e2e/sandbox-remains.fixture.ts";
import { inLanes } from "../sandbox/bench.ts";
import { type Retained, retainedBy } from "./retained.ts";

const runnerZone = "runner-runner-1";
const edgeZone = "edge-edge-1";
const tokenMs = 60_000;
const mostTold = 10;

/** What one site holds of its machine, in numbers. */
export interface Footprint {
  /** Under the uids of sandboxes. */
  processes: number;
  /** Of the whole site, zones and servers among them. */
  siteProcesses: number;
  uids: number;
  mounts: number;
  cgroups: number;
  /** In the runner's folder, folders and sockets among them. */
  files: number;
  runnerSockets: number;
  runnerDescriptors: number;
  runnerMiB: number;
  edgeMiB: number;
}

const bounded = [
  "processes",
  "siteProcesses",
  "uids",
  "mounts",
  "cgroups",
  "files",
  "runnerSockets",
  "runnerDescriptors",
] as const satisfies readonly (keyof Footprint)[];

export interface SoakOptions {
  sessions: number;
  concurrency: number;
  say?(line: string): void;
}

export interface Soaked {
  before: Footprint;
  after: Footprint;
  seconds: number;
  /** Of sessions that were not answered as they must be. */
  failures: string[];
  /** What there is more of than before: each a leak. */
  left: string[];
  /** After so many sessions: none, a quarter of all, half of them, all. */
  retained: { sessions: number; runner: Retained; edge: Retained }[];
}

/**
 * Sessions through edge, queue and runner, each with a call that reads its own sandbox, some with one through the door.
 * One that fails does not end the others: what it leaves counts too. The stack's zones must be `inspectable`.
 */
export async function soakSessions(
  { stack, pool }: { stack: Stack; pool: string },
  { sessions, concurrency, say = () => undefined }: SoakOptions,
): Promise<Soaked> {
  let done = 0;
  const failures: string[] = [];
  const agentNow = freshTokens(stack, pool);
  const session = async () => {
    const number = done++;
    await one(number).catch((error: unknown) => {
      if (failures.push(String(error)) <= mostTold) say(`  ${String(error)}`);
    });
    if (number > 0 && number % 500 === 0) {
      const [runner, edge] = [runnerZone, edgeZone].map((name) => memoryOf(pidOf(stack, name)));
      say(`  ${number} sessions; runner ${runner} MiB, edge ${edge} MiB`);
    }
  };
  const one = async (number: number) => {
    const agent = await agentNow();
    // Told to try again, an agent does: a machine under load may lose sight of its runner for a moment.
    const begin = () => beginWork(stack, "2025-11-25", agent);
    const work = await until("a session", begin, { within: 20_000, every: 250 });
    const curl = 'curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" $ORDERS/A-1 >/tmp/answer;';
    const command = `ls /workspace; ${number % 10 === 0 ? curl : ""} echo ${number} >a; (sleep 300 &); cat a`;
    const reply = await work.bash(command);
    const { status } = await endWork(stack, { ...agent, handle: work.handle });
    if (saidBy(reply) !== String(number))
      throw new Error(`session ${number}: ${reply.status} ${reply.text.slice(0, 400)}`);
    if (status !== 200) throw new Error(`session ${number} did not end: ${status}`);
  };
  // The first ones make what stays: connections, caches, code.
  await inLanes(Math.min(100, sessions), concurrency, session);
  const before = await settled(stack);
  const retained = [{ sessions: 0, ...(await retainedIn(stack)) }];
  let seconds = 0;
  done = 0;
  for (const upTo of [sessions / 4, sessions / 2, sessions].map(Math.ceil)) {
    const began = performance.now();
    await inLanes(upTo - done, concurrency, session);
    seconds += (performance.now() - began) / 1000;
    await settled(stack, before);
    retained.push({ sessions: upTo, ...(await retainedIn(stack)) });
  }
  const after = await settled(stack, before);
  const left = bounded.filter((what) => after[what] > before[what]);
  return { before, after, seconds, failures, left, retained };
}

async function retainedIn({ zones }: Stack): Promise<{ runner: Retained; edge: Retained }> {
  const [runner, edge] = [zones.get(runnerZone), zones.get(edgeZone)];
  if (runner === undefined || edge === undefined) throw new Error("a soak is of a runner and an edge");
  const [held, heldByEdge] = await Promise.all([retainedBy(runner), retainedBy(edge)]);
  return { runner: held, edge: heldByEdge };
}

/** An agent's tokens are good for some minutes, and a soak takes longer. */
function freshTokens(stack: Stack, pool: string): () => Promise<Caller> {
  let agent: Promise<Caller> | undefined;
  let staleAt = 0;
  return () => {
    if (agent === undefined || performance.now() > staleAt) {
      staleAt = performance.now() + tokenMs;
      agent = stack.token(pool).then((token) => ({ server: pool, token }));
    }
    return agent;
  };
}

/** Sandboxes are put away after their sessions have been told that they end; connections that idle close a little later. */
async function settled(stack: Stack, before?: Footprint): Promise<Footprint> {
  const quiet = () => {
    const now = footprint(stack);
    const over =
      before === undefined
        ? now.processes > 0 || now.mounts > 0
        : bounded.some((what) => now[what] > before[what]);
    return over ? undefined : now;
  };
  return await until("quiet", quiet, { within: 15_000, every: 100 }).catch(() => footprint(stack));
}

function footprint(stack: Stack): Footprint {
  const { state } = placeOf(stack);
  const held = heldBy(stack);
  const runner = pidOf(stack, runnerZone);
  const descriptors = linksIn(`/proc/${runner}/fd`);
  return {
    processes: held.processes.length,
    siteProcesses: processTree([...stack.zones.values(), stack.nats].map(({ pid }) => pid)).length,
    uids: new Set(held.processes.map(uidOf)).size,
    mounts: held.mounts.length,
    cgroups: held.cgroups.length,
    files: countBelow(join(state, "sandboxes")) + countBelow(join(state, "doors")),
    runnerSockets: descriptors.filter((link) => link.startsWith("socket:")).length,
    runnerDescriptors: descriptors.length,
    runnerMiB: memoryOf(runner),
    edgeMiB: memoryOf(pidOf(stack, edgeZone)),
  };
}

function pidOf(stack: Stack, zone: string): number {
  return stack.zones.get(zone)?.pid ?? 0;
}

function countBelow(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true }).length;
  } catch {
    return Number.POSITIVE_INFINITY; // a folder has gone while it was read: it is not quiet yet
  }
}

function linksIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))];
    } catch {
      return []; // closed meanwhile
    }
  });
}

function uidOf(pid: number): string {
  return /^Uid:\s+(\d+)/m.exec(statusOf(pid))?.[1] ?? "";
}

function memoryOf(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(statusOf(pid))?.[1] ?? Number.NaN) / 1024);
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
