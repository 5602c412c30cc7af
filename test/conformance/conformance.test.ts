import { startEverythingV1, startEverythingV2 } from "@sallyport/example-servers";
import { afterEach, describe, expect, it } from "vitest";
import { compareThrough } from "./compare.ts";
import { startHeaderProxy } from "./proxy.ts";
import {
  passes,
  SUITE_2025_11_25,
  SUITE_2025_11_25_SCHEMA,
  SUITE_2026_07_28,
  type Verdict,
} from "./suite.ts";

const TOKEN = "conformance-token";

const started: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.close();
});

function keep<T extends { close(): Promise<void> }>(one: T): T {
  started.push(one);
  return one;
}

const servers = {
  "everything on SDK v1": startEverythingV1,
  "everything on SDK v2": startEverythingV2,
};

const scored = (verdict: Verdict | undefined): verdict is Verdict => verdict?.scored === true;

describe.each([
  { name: "everything on SDK v1", suite: SUITE_2025_11_25, demanded: 30 },
  { name: "everything on SDK v1", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything on SDK v2", suite: SUITE_2025_11_25, demanded: 30 },
  { name: "everything on SDK v2", suite: SUITE_2025_11_25_SCHEMA, demanded: 30 },
  { name: "everything on SDK v2", suite: SUITE_2026_07_28, demanded: 37 },
] as const)("$name, held against $suite.name", ({ name, suite, demanded }) => {
  it(`passes all ${demanded} demanded scenarios directly, and the same through the header proxy`, async () => {
    const open = keep(await servers[name]());
    const guarded = keep(await servers[name]({ token: TOKEN }));
    const headers = { authorization: `Bearer ${TOKEN}` };
    const proxy = keep(await startHeaderProxy({ target: new URL(guarded.url), headers }));

    const { rows, differences, table } = await compareThrough({
      direct: open.url,
      through: proxy.url,
      suite,
    });
    console.log(`${name}, ${suite.name}: direct and through the header proxy\n${table}`);
    const direct = rows.map((row) => row.direct).filter(scored);
    expect(direct).toHaveLength(demanded);
    expect(direct.filter((verdict) => !passes(verdict))).toEqual([]);
    expect(differences).toEqual([]);
  }, 120_000);
});

describe("a server with a token", () => {
  it("passes nothing where the proxy adds none: the verdicts above came through the check", async () => {
    const guarded = keep(await startEverythingV1({ token: TOKEN }));
    const proxy = keep(await startHeaderProxy({ target: new URL(guarded.url) }));
    const { status } = await fetch(proxy.url, { method: "POST" });
    expect(status).toBe(401);
  });
});
