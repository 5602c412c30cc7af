import { execFile } from "node:child_process";
import { join } from "node:path";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SandboxSite, startSandboxSite } from "./sandbox.fixture.ts";

const cli = join(import.meta.dirname, "../../apps/cli/main.ts");

afterAll(leakCheck);

let site: SandboxSite;
beforeAll(async () => {
  // The fixture's edge asks for 128 MiB and a way out in each pool.
  site = await startSandboxSite({ pools: { box: {}, small: { memory: "64MiB" } } });
}, 120_000);
afterAll(() => site?.stop());

/** What an operator sees on this machine while the stack runs. */
function doctor(...args: string[]): Promise<{ code: number; out: string }> {
  const config = join(site.stack.dir, "cli.yaml");
  const argv = ["--disable-warning=ExperimentalWarning", cli, "doctor", "--config", config, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { env: {}, timeout: 60_000 }, (error, out) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out }),
    );
  });
}

interface Told {
  checks: {
    name: string;
    state: string;
    what: string;
    isolation?: { class: Record<string, string>; properties: { property: string; proven: boolean }[] };
  }[];
}

test("doctor tells what the probe of a real runner has proven here, and which pool's sandbox is less than the edge asks", async () => {
  const { code, out } = await doctor("--json");
  const { checks } = JSON.parse(out) as Told;
  const isolation = checks.find(({ name }) => name === "isolation runner-1")?.isolation;
  expect(isolation?.properties).toContainEqual({ property: "isolation", proven: true });
  expect(isolation?.properties).toContainEqual({ property: "egress", proven: true });
  const strong = process.geteuid?.() === 0;
  expect(isolation?.class).toMatchObject({ user: strong ? "own-uid" : "shared-uid" });

  const pools = checks.filter(({ name }) => name.startsWith("pool "));
  expect(pools).toContainEqual({
    ...{ name: "pool box", state: "ok" },
    what: "runner-1 can take what edge-1 asks: kernel shared, network egress, memoryMiB 128, pids 64, cpu 1, diskMiB 64",
  });
  expect(pools.filter(({ state }) => state === "failed").map(({ name, what }) => [name, what])).toEqual([
    [
      "pool small",
      "no runner can take a session of pool small: edge-1 asks memoryMiB 128, runner-1 proves 64",
    ],
  ]);
  expect(code).toBe(1);
}, 90_000);
