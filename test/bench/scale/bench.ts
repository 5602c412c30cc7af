import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "@sallyport/infra-local";
import { processTree } from "../../e2e/processes.fixture.ts";
import { beginWork, startSandboxSite } from "../../e2e/sandbox.fixture.ts";
import { load, openStream, type Target } from "../tunnel/load.ts";
import { openSallyport } from "../tunnel/roads.ts";
import { cpuOf, memoryOf } from "../tunnel/usage.ts";
import { since, watchRelay } from "./relay-figures.ts";

export interface ScaleBenchOptions {
  /** Agents with a token and a stream of their own. */
  agents: number;
  seconds: number;
  sizes: readonly number[];
  concurrency: number;
  sandboxes: number;
  /** How many share the calls. Each has a session with the edge, which costs something when nothing is called. */
  connectors: number;
  sampleRatio: number;
  syncAudit: boolean;
}

type Say = (line: string) => void;
type Figures = Record<string, number>;
type Processes = Record<string, readonly number[]>;

/**
 * What one of each process carries: processor time of a call and memory of an agent or sandbox, by process. Both hold on
 * a machine that others use too; how many calls a second pass there does not.
 */
export async function benchScale(options: ScaleBenchOptions, say: Say): Promise<void> {
  await tunnel(options, say);
  if (options.sandboxes > 0) await sandboxes(options, say);
}

async function tunnel(options: ScaleBenchOptions, say: Say): Promise<void> {
  const { stack, target, close } = await openSallyport({
    ...options,
    progress: (step) => say(`starting ${step}`),
  });
  try {
    const relay = await watchRelay(stack);
    const pids = pidsOf(stack);
    say(`\nmemory of a process that does nothing, MiB\n  ${row(memory(pids), 0)}`);

    const [before, quietSeconds] = [await relay(), 10];
    const cpuBefore = cpu(pids);
    await sleep(quietSeconds * 1000);
    const quiet = since(before, await relay());
    say(`\nnothing happens, ${options.connectors} connectors and one of each other zone`);
    say(
      `  relay ${(quiet.messages / quietSeconds).toFixed(1)} messages/s, ${(quiet.bytes / quietSeconds).toFixed(0)} B/s`,
    );
    say(
      `  CPU, ms of each second: ${row(
        each(difference(cpu(pids), cpuBefore), (us) => us / 1000 / quietSeconds),
        1,
      )}`,
    );

    if (options.agents > 0) await idleAgents(options, { say, pids, target });
    await load(await target(), { concurrency: options.concurrency, size: 64, seconds: 3, maxCalls: 50_000 });
    for (const size of options.sizes) {
      const [figures, used] = [await relay(), cpu(pids)];
      const { concurrency, seconds } = options;
      const { calls } = await load(await target(), { concurrency, size, seconds, maxCalls: 500_000 });
      const perCall = each(difference(cpu(pids), used), (us) => us / calls);
      const carried = since(figures, await relay());
      say(`\na call of ${size} B, ${concurrency} at once, ${calls} of them`);
      say(`  CPU, µs a call: ${row(perCall, 0)}`);
      const busy = Object.entries(perCall).filter(([, us]) => us >= 10);
      const rates = busy.map(([name, us]) => `${name} ${(1e6 / us).toFixed(0)}`);
      say(`  calls/s of one core: ${rates.join("  ")}`);
      say(
        `  relay: ${(carried.messages / calls).toFixed(1)} messages and ${(carried.bytes / calls).toFixed(0)} B a call; ` +
          `kept: ${(carried.stored / calls).toFixed(2)} messages and ${(carried.storedBytes / calls).toFixed(0)} B a call`,
      );
    }
  } finally {
    await close();
  }
}

/** Of the second half alone, so that what the first ones make room for does not count. */
async function idleAgents(
  { agents }: ScaleBenchOptions,
  { say, pids, target }: { say: Say; pids: Processes; target: () => Promise<Target> },
): Promise<void> {
  const open: { close(): void }[] = [];
  const half = Math.ceil(agents / 2);
  let atHalf: Figures = {};
  while (open.length < agents) {
    const some = Array.from({ length: Math.min(25, agents - open.length) }, async () =>
      openStream(await target()),
    );
    open.push(...(await Promise.all(some)));
    if (open.length >= half && Object.keys(atHalf).length === 0) atHalf = memory(pids);
  }
  const grown = difference(memory(pids), atHalf);
  say(`\n${agents} agents, each with a token of its own and a stream that is silent`);
  say(
    `  KiB an agent: ${row(
      each(grown, (mib) => (mib * 1024) / (agents - half)),
      1,
    )}`,
  );
  for (const one of open) one.close();
}

async function sandboxes({ sandboxes: count }: ScaleBenchOptions, say: Say): Promise<void> {
  const site = await startSandboxSite({ pools: { box: { slots: count + 2, slotsPerAgent: count + 2 } } });
  try {
    const agent = { server: "box", token: await site.stack.token("box") };
    const pids = pidsOf(site.stack);
    const begin = async () => {
      const work = await beginWork(site.stack, "2025-11-25", agent);
      await work.bash("true");
      return work;
    };
    await begin();
    const [before, used] = [memory(pids), cpu(pids)];
    for (let at = 0; at < count; at += 1) await begin();
    const runner = pids.runner?.[0] ?? 0;
    const inside = processTree([runner]).filter(({ pid }) => pid !== runner);
    const own = inside.reduce((sum, { pid }) => sum + memoryOrNothing(pid), 0);
    say(`\n${count} sandboxes that were used once`);
    say(`  MiB a sandbox, its own processes: ${(own / (count + 1)).toFixed(1)}`);
    say(
      `  KiB a sandbox, of zones: ${row(
        each(difference(memory(pids), before), (mib) => (mib * 1024) / count),
        0,
      )}`,
    );
    say(
      `  CPU, ms a sandbox: ${row(
        each(difference(cpu(pids), used), (us) => us / 1000 / count),
        1,
      )}`,
    );
  } finally {
    await site.stop();
  }
}

/** Of each kind of process; the figures of several are added up. */
function pidsOf(stack: Stack): Processes {
  const pids: Record<string, number[]> = {};
  for (const { zone, pid } of stack.zones.values()) pids[zone] = [...(pids[zone] ?? []), pid];
  return { ...pids, nats: [stack.nats.pid], vault: [stack.vault.pid] };
}

const summed = (pids: Processes, of: (pid: number) => number): Figures =>
  Object.fromEntries(
    Object.entries(pids).map(([name, some]) => [name, some.reduce((sum, pid) => sum + of(pid), 0)]),
  );
const memory = (pids: Processes) => summed(pids, memoryOf);
const cpu = (pids: Processes) => summed(pids, cpuOf);

/** A process of a sandbox may end while it is looked at. */
function memoryOrNothing(pid: number): number {
  try {
    return memoryOf(pid);
  } catch {
    return 0;
  }
}

function each(figures: Figures, change: (figure: number) => number): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, change(figure)]));
}

function difference(after: Figures, before: Figures): Figures {
  return Object.fromEntries(
    Object.entries(after).map(([name, figure]) => [name, figure - (before[name] ?? 0)]),
  );
}

function row(figures: Figures, digits: number): string {
  const sum = Object.values(figures).reduce((total, one) => total + one, 0);
  return [
    ...Object.entries(figures).map(([name, one]) => `${name} ${one.toFixed(digits)}`),
    `all ${sum.toFixed(digits)}`,
  ].join("  ");
}
