import { join } from "node:path";
import { type Running, startEverythingV1, startEverythingV2 } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTunnel } from "../e2e/tunnel.fixture.ts";
import { type Comparison, compareThrough } from "./compare.ts";
import { startHeaderProxy } from "./proxy.ts";
import {
  passes,
  SUITE_2025_11_25,
  SUITE_2025_11_25_SCHEMA,
  SUITE_2026_07_28,
  type Suite,
  type Verdict,
} from "./suite.ts";

const names = ["everything-v1", "everything-v2"] as const;
type Name = (typeof names)[number];
const start = { "everything-v1": startEverythingV1, "everything-v2": startEverythingV2 };

/** The connector's names of the same servers where it starts them itself. */
const overStdio = (name: Name) => `${name}-stdio`;

const closes: (() => Promise<void>)[] = [];
const direct = new Map<Name, Running>();
let stack: Stack;

beforeAll(async () => {
  // Each server wants a bearer token that only Vault knows: what passes came through the connector.
  const guarded = new Map<Name, Running>();
  for (const name of names) {
    const [open, closed] = [await start[name](), await start[name]({ token: tokenOf(name) })];
    closes.push(open.close, closed.close);
    direct.set(name, open);
    guarded.set(name, closed);
  }
  const routes = Object.fromEntries(
    names.flatMap((name) => {
      const url = guarded.get(name)?.url ?? "";
      return [name, overStdio(name)].map((server) => [server, { url, secret: tokenOf(name) }]);
    }),
  );
  const servers = Object.fromEntries(
    names.flatMap((name) => [
      [name, { url: routes[name]?.url, credential: { name, place: bearer } }],
      [overStdio(name), stdioServer(name)],
    ]),
  );
  stack = await startTunnel({ routes, more: { servers: () => servers } });
  closes.push(() => stack.stop());
}, 90_000);

afterAll(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});

describe.each([
  { name: "everything-v1", suite: SUITE_2025_11_25, demanded: 30 },
  { name: "everything-v1", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2025_11_25, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2026_07_28, demanded: 37 },
] as const)("$name behind the tunnel, held against $suite.name", ({ name, suite, demanded }) => {
  it(`passes all ${demanded} demanded scenarios, and gets the same verdict as without it in every one`, async () => {
    const { rows, differences } = await compare(name, { server: name, suite });
    const through = rows.map((row) => row.through).filter(scored);
    expect(through).toHaveLength(demanded);
    expect(through.flatMap(failures)).toEqual([]);
    expect(differences.map((row) => row.scenario)).toEqual([]);
  }, 120_000);
});

/**
 * Over stdio a server has no HTTP of its own, and the bridge offers less than it may: streams that cannot be resumed, and
 * no check of `Mcp-Param-*` against a tool's schema. The suite scores neither.
 */
describe.each([
  { name: "everything-v1", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything-v2", suite: SUITE_2026_07_28, demanded: 37 },
] as const)(
  "$name that the connector starts over stdio, held against $suite.name",
  ({ name, suite, demanded }) => {
    it(`passes all ${demanded} demanded scenarios`, async () => {
      const { rows } = await compare(name, { server: overStdio(name), suite });
      const through = rows.map((row) => row.through).filter(scored);
      expect(through).toHaveLength(demanded);
      expect(through.flatMap(failures)).toEqual([]);
    }, 120_000);
  },
);

/** The suite cannot authenticate: a proxy adds an agent's token, which outlives a run of the suite. */
async function compare(name: Name, through: { server: string; suite: Suite }): Promise<Comparison> {
  const { server, suite } = through;
  const headers = { authorization: `Bearer ${await stack.token(server)}` };
  const proxy = await startHeaderProxy({ target: new URL(stack.endpoint(server)), headers });
  try {
    const url = direct.get(name)?.url ?? "";
    const comparison = await compareThrough({ direct: url, through: proxy.url, suite });
    console.log(`${server}, ${suite.name}: direct and through the tunnel\n${comparison.table}`);
    return comparison;
  } finally {
    await proxy.close();
  }
}

const scored = (verdict: Verdict | undefined): verdict is Verdict => verdict?.scored === true;

/** What a scenario that does not pass said, short enough to read. */
function failures(verdict: Verdict): string[] {
  if (passes(verdict)) return [];
  const said = verdict.checks.filter((check) => check.status === "FAILURE");
  return [`${verdict.scenario}: `, ...said.map((check) => `${check.id}: ${check.errorMessage ?? ""}`)];
}

const bearer = { in: "header", name: "authorization", prefix: "Bearer " };

function tokenOf(name: Name): string {
  return `token-of-${name}`;
}

function stdioServer(name: Name): object {
  const file = join(import.meta.dirname, "../../examples/servers", name, "stdio.ts");
  return {
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", file],
    credential: {
      name: overStdio(name),
      place: { in: "env", variables: { EVERYTHING_TOKEN: "value" } },
    },
  };
}
