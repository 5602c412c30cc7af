import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BubblewrapOptions, bubblewrapDriver, type Capabilities } from "@sallyport/isolation";
import type { Attack, Seen, Verdict } from "./attack.ts";
import { attacks } from "./attacks.ts";
import type { Programs } from "./programs.ts";
import { type Canary, openWorld, type World } from "./world.ts";

export interface BoundaryOptions {
  readonly driver: BubblewrapOptions;
  /** A folder for this run alone, not there yet; sandboxes' users can pass through its parents. Gone afterwards. */
  readonly folder: string;
  readonly programs: Programs;
  readonly canary: Canary;
  /** Numbers of the list; all unless told. */
  readonly only?: readonly number[] | undefined;
  /** Told each result when it is there. */
  readonly onResult?: (result: Result) => void;
  /** Stops after what is under way. */
  readonly signal?: AbortSignal;
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
 * @throws IsolationError `setup`
 */
export async function runBoundary(options: BoundaryOptions): Promise<BoundaryReport> {
  const { folder, only, onResult, signal } = options;
  const list = attacks.filter(({ number }) => only?.includes(number) ?? true);
  for (const each of [folder, join(folder, "world")]) {
    await mkdir(each, { recursive: true });
    await chmod(each, 0o711);
  }
  const driver = await bubblewrapDriver(options.driver);
  try {
    const capabilities = await driver.probe();
    const lack = capabilities.checks.find(({ protects, proven }) => protects === "isolation" && !proven);
    if (lack !== undefined) {
      const refused = `${lack.check}: expected ${lack.expected}, saw ${lack.seen}. ${lack.why}`;
      return { capabilities, refused, results: list.map((attack) => notTried(attack, onResult)) };
    }
    const world = await openWorld({ ...options, driver, capabilities, folder: join(folder, "world") });
    const results: Result[] = [];
    const stop = (): void => void world.close().catch(() => {});
    signal?.addEventListener("abort", stop);
    try {
      for (const attack of list) {
        signal?.throwIfAborted();
        const result = await tryOne(attack, world);
        results.push(result);
        onResult?.(result);
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      await world.close();
    }
    return { capabilities, results };
  } finally {
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
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
