import { breakdown } from "./breakdown.ts";
import { firstEvent, load, openStream, type Sample } from "./load.ts";
import { openRoads, type Road } from "./roads.ts";
import { cpuOf, memoryOf } from "./usage.ts";

export interface TunnelBenchOptions {
  rounds: number;
  seconds: number;
  syncAudit: boolean;
  sampleRatio: number;
  /** A folder for one CPU profile of each zone. */
  profile: string | undefined;
  streams: number;
  sizes: readonly number[];
  concurrencies: readonly number[];
}

interface Figure {
  p50: number;
  p99: number;
  perSecond: number;
  cpu: number;
  cpuBy: Record<string, number>;
}

/** Interleaved rounds over all roads: these machines are noisy, so only what ran side by side is compared. */
export async function benchTunnel(options: TunnelBenchOptions, say: (line: string) => void): Promise<void> {
  const opened = await openRoads({ ...options, progress: (step) => say(`starting ${step}`) });
  try {
    const { roads } = opened;
    // Before any load: afterwards every process keeps room for what it had to carry.
    await streams(say, { roads, count: options.streams });
    for (const road of roads)
      await load(await road.target(), { concurrency: 32, size: 64, seconds: 3, maxCalls: 50_000 });
    for (const size of options.sizes) {
      for (const concurrency of options.concurrencies) {
        const figures = new Map<string, Figure[]>(roads.map((road) => [road.name, []]));
        for (let round = 0; round < options.rounds; round += 1) {
          for (const road of order(roads, round)) {
            figures
              .get(road.name)
              ?.push(await measure(road, { concurrency, size, seconds: options.seconds }));
          }
        }
        report(say, { size, concurrency, figures });
      }
    }
    await firstEvents(say, roads);
    const sallyport = roads.find((road) => road.name === "Sallyport");
    if (sallyport) {
      say("\nwhere the time of one call goes, every span kept");
      for (const part of await breakdown(opened.stack, await sallyport.target()))
        say(`  ${us(part.time)}  ${part.name}`);
    }
  } finally {
    await opened.close();
  }
}

function order<T>(list: readonly T[], round: number): T[] {
  const at = round % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

async function measure(
  road: Road,
  ask: { concurrency: number; size: number; seconds: number },
): Promise<Figure> {
  const target = await road.target();
  const before = Object.entries(road.processes).map(([name, pid]) => [name, cpuOf(pid)] as const);
  const sample = await load(target, { ...ask, maxCalls: 200_000 });
  const cpuBy = Object.fromEntries(
    before.map(([name, cpu]) => [name, (cpuOf(road.processes[name] as number) - cpu) / sample.calls]),
  );
  return {
    p50: quantile(sample, 0.5),
    p99: quantile(sample, 0.99),
    perSecond: sample.calls / sample.seconds,
    cpu: Object.values(cpuBy).reduce((sum, one) => sum + one, 0),
    cpuBy,
  };
}

function quantile(sample: Sample, at: number): number {
  return (
    sample.latencies[Math.min(sample.latencies.length - 1, Math.floor(sample.latencies.length * at))] ?? 0
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function report(
  say: (line: string) => void,
  of: { size: number; concurrency: number; figures: Map<string, Figure[]> },
): void {
  const of1 = (name: string, pick: (figure: Figure) => number) =>
    median((of.figures.get(name) ?? []).map(pick));
  const direct = of1("direct", (one) => one.p50);
  const relayAdded = of1("bare relay", (one) => one.p50) - direct;
  const relayRate = of1("bare relay", (one) => one.perSecond);
  say(`\n${of.size} B, c=${of.concurrency}`);
  for (const name of of.figures.keys()) {
    const added = of1(name, (one) => one.p50) - direct;
    const rate = of1(name, (one) => one.perSecond);
    const parts = Object.keys(of.figures.get(name)?.[0]?.cpuBy ?? {})
      .map((part) => `${part} ${of1(name, (one) => one.cpuBy[part] ?? 0).toFixed(0)}`)
      .join(" + ");
    say(
      `  ${name.padEnd(11)} p50 ${us(of1(name, (one) => one.p50))}  p99 ${us(of1(name, (one) => one.p99))}` +
        `  added ${us(added)} (${(added / relayAdded).toFixed(2)}x)  ${rate.toFixed(0).padStart(6)} calls/s (${(rate / relayRate).toFixed(2)}x)` +
        `  CPU ${us(of1(name, (one) => one.cpu))}${parts === "" ? "" : ` = ${parts}`}`,
    );
  }
}

/** After the load: what is compared is the road, not how warm a process is. */
async function firstEvents(say: (line: string) => void, roads: readonly Road[]): Promise<void> {
  say("\nfirst event of a stream");
  for (const road of roads) {
    const target = await road.target();
    const times: number[] = [];
    for (let at = 0; at < 50; at += 1) times.push(await firstEvent(target));
    say(`  ${road.name.padEnd(11)} p50 ${us(median(times))}`);
  }
}

async function streams(
  say: (line: string) => void,
  of: { roads: readonly Road[]; count: number },
): Promise<void> {
  say(`\n${of.count} idle streams`);
  for (const road of of.roads.filter((one) => Object.keys(one.processes).length > 0)) {
    const target = await road.target();
    const total = () => Object.values(road.processes).reduce((sum, pid) => sum + memoryOf(pid), 0);
    const before = total();
    const open: { close(): void }[] = [];
    for (let at = 0; at < of.count; at += 50) {
      open.push(
        ...(await Promise.all(Array.from({ length: Math.min(50, of.count - at) }, () => openStream(target)))),
      );
    }
    const parts = Object.entries(road.processes).map(([name, pid]) => `${name} ${memoryOf(pid).toFixed(0)}`);
    say(
      `  ${road.name.padEnd(11)} ${total().toFixed(0)} MiB (${before.toFixed(0)} before) = ${parts.join(" + ")}`,
    );
    for (const one of open) one.close();
  }
}

function us(value: number): string {
  return `${value.toFixed(0).padStart(6)} µs`;
}
