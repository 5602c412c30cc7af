import { type Bus, publish } from "@sallyport/bus";
import { presence, type SandboxReport } from "@sallyport/contracts";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Check } from "../doctor/check.ts";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

let relay: Relay;
const timers: NodeJS.Timeout[] = [];

beforeAll(async () => {
  relay = await startRelay();
});
afterEach(() => {
  for (const timer of timers.splice(0)) clearInterval(timer);
});
afterAll(() => relay.stop());

/** As a zone of that name announces itself, with its own NATS user. */
async function announce(zone: "edge" | "runner", instance: string, body: object): Promise<void> {
  const bus: Bus = await relay.bus({ zone, instance });
  const base = { boot: "b", version: "0.1.0", startedAt: new Date().toISOString() };
  const say = () => publish(bus, presence, { params: { zone, instance }, body: { ...base, ...body } });
  timers.push(setInterval(say, 200));
}

const amounts = { memoryMiB: 256, pids: 64, cpu: 1, diskMiB: 64 };
const gives = { kernel: ["shared" as const], network: ["none" as const], ...amounts };
const strong: SandboxReport = {
  driver: "bubblewrap",
  class: { user: "own-uid", limits: "cgroup-v2", workspace: "mounted" },
  properties: [
    { property: "isolation", proven: true },
    { property: "limits.memoryBytes", proven: true },
  ],
  pools: [{ name: "sandbox", gives, unlimited: [] }],
};
const why =
  "set limits.memoryBytes: expected a cgroup, saw not \u001b[2J available. The runner can make no cgroup.";
const weak: SandboxReport = {
  ...{ driver: "bubblewrap", class: { user: "shared-uid", limits: "prlimit", workspace: "tmpfs" } },
  properties: [
    { property: "isolation", proven: true },
    { property: "limits.memoryBytes", proven: false, why },
  ],
  pools: [{ name: "sandbox", gives, unlimited: ["memory"] }],
};
const offers = [{ name: "sandbox", ready: true }];

async function told(...args: string[]): Promise<string> {
  return (await sallyport(["doctor", "--config", relay.config(), ...args])).out;
}
async function checks(): Promise<Check[]> {
  return (JSON.parse(await told("--json")) as { checks: Check[] }).checks;
}

test("of each runner it says what is proven and what not, why, and what its pools give; nothing commands the terminal", async () => {
  await announce("runner", "r1", { servers: offers, sandboxes: strong });
  await announce("runner", "r2", { servers: offers, sandboxes: weak });
  const out = await told();
  expect(out).toContain(
    [
      "✓ isolation r1: bubblewrap, own-uid, limits by cgroup-v2, workspace mounted",
      "    proven from inside: isolation, memory",
      "✓ pool sandbox: r1 gives kernel shared, network none, memoryMiB 256, pids 64, cpu 1, diskMiB 64",
      "! isolation r2: bubblewrap, shared-uid, limits by prlimit, workspace tmpfs",
      "    proven from inside: isolation",
      "    not proven: memory: set limits.memoryBytes: expected a cgroup, saw not \\u{1b}[2J available. The runner can make no cgroup.",
      "    weaker: All sandboxes run as the runner's own user",
    ].join("\n"),
  );
  expect(out).toMatch(/! pool sandbox: r2 gives .*\n {4}unlimited: memory: one sandbox can take these/);
});

test("--json has the whole report", async () => {
  await announce("runner", "r1", { servers: offers, sandboxes: weak });
  const found = (await checks()).filter(({ isolation }) => isolation !== undefined);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ name: "isolation r1", state: "warning", isolation: weak });
  expect(found[0]?.isolation?.weaker).toHaveLength(3);
});

test("isolation that is not proven fails, and so does a pool whose sandbox is less than edges ask", async () => {
  const [property] = weak.properties.slice(1);
  const properties = [{ ...property, property: "isolation" }];
  await announce("runner", "r1", { servers: offers, sandboxes: { ...weak, properties } });
  const otherwise = { kernel: "shared", network: "none", ...amounts };
  const pools = [{ name: "sandbox", requirements: { ...otherwise, memoryMiB: 512 } }];
  await announce("edge", "e1", { demands: { pools, otherwise } });
  const failures = (await checks()).filter(({ state }) => state === "failed");
  expect(failures.map(({ name, what }) => [name, what.split("\n")[0]])).toEqual(
    expect.arrayContaining([
      ["isolation r1", "bubblewrap, shared-uid, limits by prlimit, workspace tmpfs"],
      ["pool sandbox", "no runner can take a session of pool sandbox: e1 asks memoryMiB 512, r1 proves 256"],
    ]),
  );
});

test("a runner whose report is missing, or cannot be understood, is up and said to be silent about it", async () => {
  await announce("runner", "r1", { servers: offers });
  await announce("runner", "r2", { servers: offers, sandboxes: { driver: "of the future" } });
  const found = await checks();
  for (const name of ["r1", "r2"]) {
    expect(found).toContainEqual(
      expect.objectContaining({
        ...{ name: `isolation ${name}`, state: "warning" },
        what: expect.stringContaining(`${name} announces nothing of what its probe has proven`),
      }),
    );
    expect(found).toContainEqual(
      expect.objectContaining({ name: "zone runner", state: "ok", what: `${name} is up, version 0.1.0` }),
    );
  }
});
