import { startSandboxSite } from "../../e2e/sandbox.fixture.ts";
import { inspectable, type Retained } from "./retained.ts";
import { type Footprint, soakSessions } from "./soak.ts";

/** Many sessions through a whole site as it ships, and what it holds before and after. Throws when anything is left. */
export async function benchSoak(
  options: { sessions: number; concurrency: number },
  say: (line: string) => void,
): Promise<void> {
  const { sessions, concurrency } = options;
  const site = await startSandboxSite({
    pools: { box: { slots: 2 * concurrency, slotsPerAgent: 2 * concurrency } },
    more: { built: true, nodeArgs: inspectable },
  });
  try {
    say(`${sessions} sessions through edge, queue and runner, ${concurrency} at once`);
    const { before, after, seconds, failures, left, retained } = await soakSessions(
      { stack: site.stack, pool: "box" },
      { ...options, say },
    );
    say(`\n${seconds.toFixed(0)} s, ${(sessions / seconds).toFixed(1)} sessions/s`);
    for (const what of Object.keys(after) as (keyof Footprint)[])
      say(`  ${what.padEnd(20)} before ${before[what]}  after ${after[what]}`);
    for (const { sessions: so, runner, edge } of retained)
      say(`  after ${so} sessions, garbage collected: runner ${shown(runner)}; edge ${shown(edge)}`);
    if (failures.length > 0) throw new Error(`${failures.length} sessions failed; the first: ${failures[0]}`);
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  } finally {
    await site.stop();
  }
}

function shown({ objects, mebibytes }: Retained): string {
  return `${mebibytes.toFixed(1)} MiB in ${objects} objects`;
}
