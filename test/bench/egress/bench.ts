import { cpuOf } from "../tunnel/usage.ts";
import { type Load, load } from "./load.ts";
import { openRoads, type Road } from "./roads.ts";

export interface EgressBenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** A folder for one CPU profile of each process. */
  readonly profile: string | undefined;
}

interface Case extends Omit<Load, "seconds"> {
  readonly name: string;
}

const cases: readonly Case[] = [
  { name: "1 MiB, c=8", bytes: 1_048_576, concurrency: 8, fresh: false },
  { name: "64 KiB, c=16", bytes: 65_536, concurrency: 16, fresh: false },
  { name: "1 KiB, c=16", bytes: 1_024, concurrency: 16, fresh: false },
  { name: "1 KiB, c=8, a tunnel for each", bytes: 1_024, concurrency: 8, fresh: true },
];

interface Figure {
  readonly perSecond: number;
  /** Microseconds of the proxy, for one request. */
  readonly cpu: number;
}

/** Interleaved rounds over a plain proxy and ours: what ran side by side is compared. */
export async function benchEgress(options: EgressBenchOptions, say: (line: string) => void): Promise<void> {
  const opened = await openRoads(options);
  try {
    const { roads } = opened;
    for (const one of cases) {
      const figures = new Map<string, Figure[]>(roads.map(({ name }) => [name, []]));
      for (const road of roads) await load(road, { ...one, seconds: 1 });
      for (let round = 0; round < options.rounds; round += 1)
        for (const road of [...roads.slice(round % roads.length), ...roads.slice(0, round % roads.length)])
          figures.get(road.name)?.push(await measure(road, { ...one, seconds: options.seconds }));
      report(say, one, figures);
    }
  } finally {
    await opened.close();
  }
}

async function measure(road: Road, ask: Load): Promise<Figure> {
  const before = cpuOf(road.pid);
  const perSecond = await load(road, ask);
  return { perSecond, cpu: (cpuOf(road.pid) - before) / (perSecond * ask.seconds) };
}

function report(say: (line: string) => void, { name, bytes }: Case, figures: Map<string, Figure[]>): void {
  say(`\n${name}`);
  const of = (road: string, pick: (figure: Figure) => number) => median((figures.get(road) ?? []).map(pick));
  const [first = ""] = figures.keys();
  const base = of(first, ({ perSecond }) => perSecond);
  for (const road of figures.keys()) {
    const rate = of(road, ({ perSecond }) => perSecond);
    const volume = ((rate * bytes) / 1_048_576).toFixed(0).padStart(5);
    const cpu = of(road, (figure) => figure.cpu).toFixed(0);
    say(
      `  ${road.padEnd(18)} ${rate.toFixed(0).padStart(6)}/s ${volume} MiB/s  ${Math.round((rate / base) * 100)} %  CPU ${cpu} µs`,
    );
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
