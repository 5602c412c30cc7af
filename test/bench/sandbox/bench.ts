import { type Contender, openContenders, rawBubblewrap } from "./contenders.ts";
import { processesOf, pssOf } from "./processes.ts";
import { soak } from "./soak.ts";
import { openSandboxWorld, type SandboxWorld } from "./world.ts";

export interface SandboxBenchOptions {
  readonly rounds: number;
  /** Sandboxes made 8 at once. */
  readonly creations: number;
  readonly warm: number;
  readonly idle: number;
  /** Sandboxes that are made and destroyed, with what is left counted; 0: no soak. */
  readonly soak: number;
}

const concurrency = 8;

/** Interleaved rounds: these machines are noisy, so only what ran side by side is compared. */
export async function benchSandbox(options: SandboxBenchOptions, say: (line: string) => void): Promise<void> {
  const world = await openSandboxWorld(say);
  try {
    await coldStarts(world, options, say);
    await manyAtOnce(world, options.creations, say);
    await kills(world, options.rounds, say);
    await warmCalls(world, options.warm, say);
    await idle(world, options.idle, say);
    if (options.soak > 0) await soak(world, { count: options.soak, concurrency, say });
  } finally {
    await world.close();
  }
}

interface Times {
  readonly ready: number[];
  readonly gone: number[];
}

async function coldStarts(world: SandboxWorld, { rounds }: SandboxBenchOptions, say: (line: string) => void) {
  const { contenders, absent, close } = await openContenders(world);
  try {
    const times = new Map<Contender, Times>(contenders.map((each) => [each, { ready: [], gone: [] }]));
    for (let round = -5; round < rounds; round++)
      for (const contender of order(contenders, round + 5)) {
        const began = performance.now();
        const end = await contender.start();
        const ready = performance.now();
        await end();
        if (round < 0) continue; // warm-up
        times.get(contender)?.ready.push(ready - began);
        times.get(contender)?.gone.push(performance.now() - ready);
      }
    say(`\ncold start to the first answer, then to all gone (${rounds} of each)`);
    const raw = quantile(times.get(contenders[0] as Contender)?.ready ?? [], 0.5);
    for (const [{ name }, { ready, gone }] of times)
      say(
        `  ${name.padEnd(44)} p50 ${ms(quantile(ready, 0.5))}  p95 ${ms(quantile(ready, 0.95))} (${(quantile(ready, 0.5) / raw).toFixed(2)}x)  gone p50 ${ms(quantile(gone, 0.5))}  p95 ${ms(quantile(gone, 0.95))}`,
      );
    for (const each of absent) say(`  ${each}`);
  } finally {
    await close();
  }
}

/** In turns, a third of them at a time, with who the cold starts are compared with. */
async function manyAtOnce(world: SandboxWorld, count: number, say: (line: string) => void): Promise<void> {
  const raw = rawBubblewrap(world);
  const perSecond = async (start: () => Promise<() => Promise<void>>): Promise<number> => {
    const began = performance.now();
    await inLanes(Math.ceil(count / 3), concurrency, async () => await (await start())());
    return Math.ceil(count / 3) / ((performance.now() - began) / 1000);
  };
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < 3; round++) {
    bare.push(await perSecond(() => raw.start()));
    ours.push(await perSecond(async () => (await world.start()).end));
  }
  const [own, other] = [quantile(ours, 0.5), quantile(bare, 0.5)];
  say(
    `\n${count} created, answered and destroyed, ${concurrency} at once: ${own.toFixed(0)}/s (${(own / other).toFixed(2)}x of bare bubblewrap's ${other.toFixed(0)}/s)`,
  );
}

/** Sessions of their own, forked twice, that ignore signals; two of the six are stopped. */
const stubborn = `trap '' TERM INT HUP; for n in 1 2 3 4 5 6; do export n; (setsid sh -c '[ $((n % 3)) -eq 0 ] && kill -STOP $$; sleep 1000' >/dev/null 2>&1 &); done`;

async function kills(world: SandboxWorld, rounds: number, say: (line: string) => void): Promise<void> {
  const times: number[] = [];
  let before = 0;
  let left = 0;
  for (let round = 0; round < rounds; round++) {
    const { client, kill } = await world.start();
    const exec = await client.exec({
      argv: ["/bin/sh", "-c", stubborn],
      cwd: "/workspace",
      env: { PATH: "/usr/bin" },
    });
    for await (const _ of exec.output());
    await exec.exit;
    before += processesOf(world.uids).length;
    const began = performance.now();
    await kill();
    times.push(performance.now() - began);
    left += processesOf(world.uids).length;
  }
  say(
    `\ngone after kill, ${(before / rounds).toFixed(0)} processes that would stay: p50 ${ms(quantile(times, 0.5))}  p95 ${ms(quantile(times, 0.95))} (the promise is 50 ms), ${left} processes left`,
  );
}

async function warmCalls(world: SandboxWorld, calls: number, say: (line: string) => void): Promise<void> {
  const { client, end } = await world.start();
  const times: number[] = [];
  for (let call = -20; call < calls; call++) {
    const began = performance.now();
    const exec = await client.exec({ argv: ["/bin/bash", "-c", "true"], cwd: "/workspace" });
    for await (const _ of exec.output());
    await exec.exit;
    if (call >= 0) times.push(performance.now() - began);
  }
  await end();
  say(`\nbash -c true in a warm sandbox: p50 ${ms(quantile(times, 0.5))}  p95 ${ms(quantile(times, 0.95))}`);
}

async function idle(world: SandboxWorld, count: number, say: (line: string) => void): Promise<void> {
  const before = process.memoryUsage().rss;
  const all = await Promise.all(Array.from({ length: count }, () => world.start()));
  const pids = processesOf(world.uids);
  const memory = pids.reduce((sum, pid) => sum + pssOf(pid), 0);
  const runner = (process.memoryUsage().rss - before) / 1_048_576;
  const began = performance.now();
  await Promise.all(all.map(({ end }) => end()));
  const took = performance.now() - began;
  say(
    `\n${count} idle sandboxes: ${memory.toFixed(0)} MiB (PSS of ${pids.length} processes), runner +${runner.toFixed(0)} MiB; all destroyed in ${ms(took)}, ${processesOf(world.uids).length} processes left`,
  );
}

/** `count` times, `lanes` at once. */
export async function inLanes(count: number, lanes: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

function order<T>(list: readonly T[], round: number): readonly T[] {
  const at = round % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? 0;
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;
