import type { Capabilities, Requirements } from "@sallyport/contracts";
import { type Lack, lacks } from "@sallyport/work";
import type { Enrolled } from "../commands/servers.ts";
import type { Heard } from "../hear-presence.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import { amountsOf, howToFit } from "./pool-settings.ts";

/** What one or more edges ask for a session of a pool. */
interface Demand {
  edges: readonly string[];
  pool: string;
  requirements: Requirements;
}

/**
 * Pure: what edges ask of each pool, against what its runners have proven. It is judged as a claim is, so that nobody has
 * to learn from an agent that a session waits for ever.
 */
export function checkDemands(heard: readonly Heard[], enrolled: Enrolled | undefined): Check[] {
  const runners = heard.filter((one) => one.zone === "runner" && one.sandboxes !== undefined);
  const offers = runners.flatMap((runner) =>
    (runner.sandboxes?.pools ?? [])
      .filter(({ name }) => enrolled?.(runner, name) ?? true)
      .map(({ name, gives }) => ({ runner: runner.instance, pool: name, gives })),
  );
  const pools = new Set(offers.map(({ pool }) => pool));
  // Run by workers outside, or a runner's that reports nothing: what they give is not known.
  const unreported = new Set(
    heard
      .filter(({ zone }) => zone === "runner")
      .flatMap(({ servers = [], sandboxes }) =>
        servers
          .map(({ name }) => name)
          .filter((name) => !sandboxes?.pools.some((pool) => pool.name === name)),
      ),
  );
  return demandsOf(heard, pools).flatMap((demand) => {
    const offered = offers.filter(({ pool }) => pool === demand.pool);
    if (offered.length > 0) return checkDemand(demand, offered);
    if (unreported.has(demand.pool)) return [];
    const what = `${demand.edges.join(", ")} has settings of it, and no runner that is enrolled for it is up`;
    return [warning(`pool ${demand.pool}`, what, `start one, or take \`sandboxes.${demand.pool}\` out`)];
  });
}

function checkDemand(
  { edges, pool, requirements }: Demand,
  offers: readonly { runner: string; gives: Capabilities }[],
): Check[] {
  const name = `pool ${pool}`;
  const judged = offers.map(({ runner, gives }) => ({ runner, lacking: lacks(gives, requirements) }));
  const able = judged.filter(({ lacking }) => lacking.length === 0).map(({ runner }) => runner);
  const unable = judged.filter(({ lacking }) => lacking.length > 0);
  const asks = `${edges.join(", ")} ${edges.length === 1 ? "asks" : "ask"}`;
  const fix = howToFit(
    pool,
    unable.flatMap(({ lacking }) => lacking.map(({ requirement }) => requirement)),
  );
  const difference = unable.map(({ runner, lacking }) => differenceOf(asks, runner, lacking)).join("; ");
  if (able.length === 0)
    return [failed(name, `no runner can take a session of pool ${pool}: ${difference}`, fix)];
  const taken = ok(name, `${able.join(", ")} can take what ${asks}: ${amountsOf(requirements)}`);
  if (unable.length === 0) return [taken];
  const who = unable.map(({ runner }) => runner).join(", ");
  return [taken, warning(name, `${who} can take no session of it: ${difference}`, fix)];
}

function differenceOf(asks: string, runner: string, lacking: readonly Lack[]): string {
  const asked = lacking.map(({ requirement, asked }) => `${requirement} ${asked}`).join(", ");
  return `${asks} ${asked}, ${runner} proves ${lacking.map(({ proved }) => proved).join(", ")}`;
}

/** Of each pool that runners offer or an edge has settings of; edges that ask the same together. */
function demandsOf(heard: readonly Heard[], offered: ReadonlySet<string>): Demand[] {
  const edges = heard.flatMap(({ zone, instance, demands }) =>
    zone === "edge" && demands !== undefined ? [{ edge: instance, demands }] : [],
  );
  const named = edges.flatMap(({ demands }) => demands.pools.map(({ name }) => name));
  return [...new Set([...offered, ...named])].sort().flatMap((pool) => {
    const asked = edges.flatMap(({ edge, demands }) => {
      const own = demands.pools.find(({ name }) => name === pool)?.requirements;
      if (own === undefined && !offered.has(pool)) return [];
      return [{ edge, requirements: own ?? demands.otherwise }];
    });
    const same = Map.groupBy(asked, ({ requirements }) => amountsOf(requirements));
    return [...same.values()].flatMap((group) =>
      group[0] === undefined
        ? []
        : [{ pool, edges: group.map(({ edge }) => edge), requirements: group[0].requirements }],
    );
  });
}
