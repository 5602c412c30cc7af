import { type Running, startEverythingV1, startEverythingV2 } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTunnel } from "../e2e/tunnel.fixture.ts";
import { compareThrough } from "./compare.ts";
import { type HeaderProxy, startHeaderProxy } from "./proxy.ts";
import {
  passes,
  SUITE_2025_11_25,
  SUITE_2025_11_25_SCHEMA,
  SUITE_2026_07_28,
  type Verdict,
} from "./suite.ts";

/** Each server wants a bearer token that only Vault knows: what passes here came through the connector. */
const tokens = { "everything-v1": "token-of-everything-v1", "everything-v2": "token-of-everything-v2" };
type Name = keyof typeof tokens;
const names: readonly Name[] = ["everything-v1", "everything-v2"];

const start = { "everything-v1": startEverythingV1, "everything-v2": startEverythingV2 };
const closes: (() => Promise<void>)[] = [];
const direct = new Map<Name, Running>();
let stack: Stack;

beforeAll(async () => {
  const routes: Record<string, { url: string; secret: string }> = {};
  for (const name of names) {
    const open = await start[name]();
    const guarded = await start[name]({ token: tokens[name] });
    closes.push(
      () => open.close(),
      () => guarded.close(),
    );
    direct.set(name, open);
    routes[name] = { url: guarded.url, secret: tokens[name] };
  }
  stack = await startTunnel({ routes });
  closes.push(() => stack.stop());
}, 90_000);

afterAll(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});

const scored = (verdict: Verdict | undefined): verdict is Verdict => verdict?.scored === true;

const failures = ({ scenario, checks }: Verdict) => ({
  scenario,
  checks: checks.filter((check) => check.status === "FAILURE"),
});

describe.each([
  { name: "everything-v1", suite: SUITE_2025_11_25, demanded: 30 },
  { name: "everything-v1", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2025_11_25, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2026_07_28, demanded: 37 },
] as const)("$name behind the tunnel, held against $suite.name", ({ name, suite, demanded }) => {
  it(`gets the verdict that it gets without it, for all ${demanded} demanded scenarios and the rest`, async () => {
    const proxy = await startAgent(name);
    try {
      const { rows, differences, table } = await compareThrough({
        direct: direct.get(name)?.url ?? "",
        through: proxy.url,
        suite,
      });
      console.log(`${name}, ${suite.name}: direct and through the tunnel\n${table}`);
      const through = rows.map((row) => row.through).filter(scored);
      expect(through).toHaveLength(demanded);
      expect(through.filter((verdict) => !passes(verdict)).map(failures)).toEqual([]);
      expect(differences.map((row) => row.scenario)).toEqual([]);
    } finally {
      await proxy.close();
    }
  }, 120_000);
});

/** The suite cannot authenticate: this adds an agent's token. One token outlives a run of the suite. */
async function startAgent(name: Name): Promise<HeaderProxy> {
  const headers = { authorization: `Bearer ${await stack.token(name)}` };
  return startHeaderProxy({ target: new URL(stack.endpoint(name)), headers });
}
