import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, expect, test } from "vitest";
import { startStack } from "./src/stack.ts";
import type { StackPlan } from "./src/stack-plan.ts";
import { ZoneDied } from "./src/start-watch.ts";

afterAll(leakCheck);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const nothing = "http://127.0.0.1:9/mcp";

function planOf(more: Partial<StackPlan>): StackPlan {
  const dir = mkdtempSync(join(tmpdir(), "sallyport-start-"));
  folders.push(dir);
  return {
    ...{ dir, syncAudit: false, secrets: { "sallyport/orders": { token: "t" } } },
    credentials: { orders: { kind: "kv", path: "sallyport/orders", field: "token" } },
    leaseRules: [{ id: "r", credential: "orders", servers: ["orders"], agents: "*", maxTtlSeconds: 60 }],
    servers: () => ({ orders: { url: nothing } }),
    policies: { "all.cedar": "permit(principal, action, resource);" },
    ...more,
  };
}

/** How the start failed. */
async function failureOf(plan: StackPlan): Promise<Error> {
  const stack = await startStack(plan).catch((error: Error) => error);
  if (stack instanceof Error) return stack;
  await stack.stop();
  throw new Error("it started");
}

/** The process of a zone, by the settings that it was started with. */
function pidOf(dir: string, name: string): number | undefined {
  const settings = join(dir, "run", `${name}.yaml`);
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(settings)) return Number(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

test("a zone that does not take its settings ends the start, with its name, code, last words and log", async () => {
  const plan = planOf({ policies: { "bad.cedar": "permit(" } });
  const failure = await failureOf(plan);
  expect(failure).toBeInstanceOf(ZoneDied);
  const log = join(plan.dir, "run/connector-connector-1.log");
  expect(failure.message).toContain(
    `connector-connector-1 ended (code 1) while the stack was starting; its log is ${log}`,
  );
  expect(failure.message).toMatch(/It logged last:\n[\s\S]*bad\.cedar/);
}, 60_000);

test("a zone that dies while others are waited for ends the wait, with its name", async () => {
  const plan = planOf({});
  const failing = failureOf(plan);
  const started = (name: string) =>
    until(`${name} started`, () => pidOf(plan.dir, name), { within: 60_000, every: 1 });
  // It stands still, so that the stack would wait for it as long as it waits at all.
  process.kill(await started("connector-connector-1"), "SIGSTOP");
  process.kill(await started("collector-collector-1"), "SIGKILL");
  const { message } = await failing;
  expect(message).toContain("collector-collector-1 ended (SIGKILL) while the stack was starting");
}, 100_000);
