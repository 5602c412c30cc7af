import { setTimeout as sleep } from "node:timers/promises";

export interface UntilOptions {
  /** Milliseconds after which this gives up. */
  readonly within: number;
  /** Milliseconds between two looks; 20 unless told. */
  readonly every?: number;
}

/**
 * Look again and again until `probe` gives something other than `undefined` or `false`, and answer that.
 * A probe that throws counts as "not yet"; its last error is told when the time is over. A probe that
 * never settles is given up at the same deadline.
 */
export async function until<T>(
  what: string,
  probe: Probe<T>,
  { within, every = 20 }: UntilOptions,
): Promise<T> {
  const end = performance.now() + within;
  let last: unknown;
  for (;;) {
    const seen = await lookOnce(probe, Math.max(1, end - performance.now()));
    if ("found" in seen) return seen.found;
    if ("failure" in seen) last = seen.failure;
    if (performance.now() + every >= end) break;
    await sleep(every);
  }
  const because =
    last === undefined ? "" : `; last failure: ${last instanceof Error ? last.message : String(last)}`;
  throw new Error(
    `${what} did not happen within ${within} ms${because}`,
    last === undefined ? {} : { cause: last },
  );
}

type Probe<T> = () => Promise<T | undefined | false> | T | undefined | false;
type Seen<T> = { found: T } | { failure: unknown };

async function lookOnce<T>(probe: Probe<T>, milliseconds: number): Promise<Seen<T>> {
  const clock = new AbortController();
  const tooSlow = sleep(milliseconds, { failure: new Error("the probe itself did not answer") }, clock);
  try {
    return await Promise.race([look(probe), tooSlow]);
  } finally {
    clock.abort();
    await tooSlow.catch(() => {});
  }
}

async function look<T>(probe: Probe<T>): Promise<Seen<T>> {
  try {
    const value = await probe();
    return value === undefined || value === false ? { failure: undefined } : { found: value };
  } catch (failure) {
    return { failure };
  }
}
