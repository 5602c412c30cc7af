import { chmod, copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BubblewrapOptions, bubblewrapDriver, type Capabilities } from "@sallyport/isolation";
import { buildAgent } from "@sallyport/sandbox-agent";
import type { Attack, Seen, Verdict } from "./attack.ts";
import { attacks } from "./attacks.ts";
import { type Canary, openWorld, type World } from "./world.ts";

export interface BoundaryOptions {
  readonly driver: BubblewrapOptions;
  /** A folder for this run alone, not there yet; sandboxes' users can pass through its parents. Gone afterwards. */
  readonly folder: string;
  /** Where the programs that are built are kept. */
  readonly cacheFolder: string;
  readonly canary: Canary;
  /** Numbers of the list; all unless told. */
  readonly only?: readonly number[] | undefined;
  /** Told each result when it is there. */
  readonly onResult?: (result: Result) => void;
}

export interface Result {
  readonly number: number;
  readonly name: string;
  readonly tries: string;
  readonly source: string;
  readonly expected: string;
  readonly verdict: Verdict;
  /** May hold what a sandbox wrote. */
  readonly seen: string;
  readonly why?: string;
  readonly milliseconds: number;
}

export interface BoundaryReport {
  readonly capabilities: Capabilities;
  /** Why no sandbox of this class starts here at all: then nothing was tried. */
  readonly refused?: string;
  readonly results: readonly Result[];
}

const usualDeadline = 15_000;

/**
 * Tries the list against sandboxes of the one class that this process can make, as the runner that it is.
 *
 * @throws IsolationError `setup`, BuildAgentError
 */
export async function runBoundary(options: BoundaryOptions): Promise<BoundaryReport> {
  const { folder, only, onResult } = options;
  const list = attacks.filter(({ number }) => only?.includes(number) ?? true);
  const programs = await placePrograms(options);
  const driver = await bubblewrapDriver(options.driver);
  try {
    const capabilities = await driver.probe();
    const lack = capabilities.checks.find(({ protects, proven }) => protects === "isolation" && !proven);
    if (lack !== undefined) {
      const refused = `${lack.check}: expected ${lack.expected}, saw ${lack.seen}. ${lack.why}`;
      return { capabilities, refused, results: list.map((attack) => notTried(attack, onResult)) };
    }
    const world = await openWorld({
      ...options,
      driver,
      capabilities,
      folder: join(folder, "world"),
      programs,
    });
    const results: Result[] = [];
    try {
      for (const attack of list) {
        const result = await tryOne(attack, world);
        results.push(result);
        onResult?.(result);
      }
    } finally {
      await world.close();
    }
    return { capabilities, results };
  } finally {
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function placePrograms({ folder, cacheFolder }: BoundaryOptions): Promise<World["programs"]> {
  const source = join(import.meta.dirname, "../inside/attack.c");
  const built = {
    agent: await buildAgent({ cacheFolder }),
    attack: await buildAgent({ cacheFolder, source }),
  };
  await mkdir(join(folder, "world"), { recursive: true });
  for (const each of [folder, join(folder, "world")]) await chmod(each, 0o711);
  // The cache may be in somebody's private folder.
  const programs = { agent: join(folder, "agent"), attack: join(folder, "attack") };
  for (const name of ["agent", "attack"] as const) {
    await copyFile(built[name], programs[name]);
    await chmod(programs[name], 0o755);
  }
  return programs;
}

/** What does not end, or breaks, proves nothing: it counts as an escape. */
async function tryOne(attack: Attack, world: World): Promise<Result> {
  const { deadlineMs = usualDeadline, run: _, ...about } = attack;
  const began = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Seen>((resolve) => {
    timer = setTimeout(
      () => resolve({ verdict: "escaped", seen: `it had not ended after ${deadlineMs} ms` }),
      deadlineMs,
    );
  });
  const broken = (error: unknown): Seen => ({
    verdict: "escaped",
    seen: `it broke: ${error instanceof Error ? error.message : String(error)}`,
  });
  const seen = await Promise.race([attack.run(world).catch(broken), late]);
  clearTimeout(timer);
  return { ...about, ...seen, milliseconds: Math.round(performance.now() - began) };
}

function notTried(attack: Attack, onResult: BoundaryOptions["onResult"]): Result {
  const { deadlineMs: _, run: __, ...about } = attack;
  const why = "No sandbox of this class starts on this host: every claim is refused.";
  const result: Result = { ...about, verdict: "not tried", seen: "refused", why, milliseconds: 0 };
  onResult?.(result);
  return result;
}
