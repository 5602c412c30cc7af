import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inLanes } from "./bench.ts";
import { processesOf } from "./processes.ts";
import type { SandboxWorld } from "./world.ts";

export interface SoakOptions {
  readonly count: number;
  readonly concurrency: number;
  readonly say: (line: string) => void;
}

/** Makes and destroys many; throws when anything of them is left. */
export async function soak(world: SandboxWorld, { count, concurrency, say }: SoakOptions): Promise<void> {
  // The first ones make what stays: pools, caches, code.
  await inLanes(100, concurrency, async () => await (await world.start()).end());
  const before = held(world);
  const began = performance.now();
  let made = 0;
  await inLanes(count, concurrency, async () => {
    await (await world.start()).end();
    made += 1;
    if (made % 1_000 === 0) say(`  ${made} sandboxes`);
  });
  const seconds = (performance.now() - began) / 1000;
  const after = held(world);
  say(`\nsoak: ${count} sandboxes in ${seconds.toFixed(0)} s (${(count / seconds).toFixed(0)}/s)`);
  for (const [what, number] of Object.entries(after))
    say(`  ${what.padEnd(24)} before ${before[what as keyof typeof before]}  after ${number}`);
  const left = Object.entries(after).filter(
    ([what, number]) => what !== "runner MiB" && number > before[what as keyof typeof before],
  );
  if (left.length > 0) throw new Error(`left behind: ${left.map(([what]) => what).join(", ")}`);
}

function held(world: SandboxWorld) {
  globalThis.gc?.();
  const groups = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, names]) => names === "memory" || names === "pids" || names === "cpu")
    .flatMap(([, names = "", path = ""]) => {
      const parent = join("/sys/fs/cgroup", names, path, `sallyport-${world.name}`);
      return readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    });
  const ids = readdirSync(join(world.folder, "state/sandboxes"));
  return {
    processes: processesOf(world.uids).length,
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(world.folder)).length,
    cgroups: groups.length,
    folders: ids.length,
    descriptors: readdirSync("/proc/self/fd").length,
    "runner MiB": Math.round(process.memoryUsage().rss / 1_048_576),
  };
}
