import { readFileSync } from "node:fs";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Reply, wires } from "../e2e/call.fixture.ts";
import {
  type Caller,
  type SandboxSite,
  saidBy,
  startSandboxSite,
  type Work,
} from "../e2e/sandbox.fixture.ts";
import { agentAmong, commandLineOf, heldBy, nothing, without } from "../e2e/sandbox-remains.fixture.ts";
import { failureOf, timed } from "./chaos.fixture.ts";

// A session's files, shell and processes are where its runner is. When they are lost, the agent is told: the call that
// ran fails, and the session's name opens nothing any more. A fresh sandbox under the old name would be a lie.
afterAll(leakCheck);

const names = ["runner-1", "runner-2"] as const;
let site: SandboxSite;
let agent: Caller;
beforeAll(async () => {
  site = await startSandboxSite({
    pools: { box: { slots: 12, slotsPerAgent: 12 } },
    more: { runners: names, drain: "3s", placement: "4s" },
  });
  agent = site.to("box");
}, 120_000);
beforeEach(async () => {
  await until("sessions beginning", () => tryToEnd(), { within: 30_000, every: 200 });
}, 40_000);
afterEach(async () => {
  for (const { handle } of begun.splice(0)) await site.end({ ...agent, handle });
});
afterAll(() => site?.stop());

async function tryToEnd(): Promise<true> {
  const { handle } = await site.begin("2025-11-25", agent);
  await site.end({ ...agent, handle });
  return true;
}

const begun: Work[] = [];
async function begin(wire: (typeof wires)[number]): Promise<Work> {
  const work = await site.begin(wire, agent);
  begun.push(work);
  return work;
}

const runnerOf = ({ handle }: Work) => handle.split(".")[0] ?? "";
const zoneOf = (runner: string) => {
  const zone = site.stack.zones.get(`runner-${runner}`);
  if (zone === undefined) throw new Error(`there is no ${runner}`);
  return zone;
};

/** It has put away what its earlier life left: one that is stopped before leaves that to the next. */
async function bringBack(runner: string): Promise<void> {
  await zoneOf(runner).restart();
  await until(`${runner} ready`, async () => (await zoneOf(runner).readiness()).ready, { within: 20_000 });
}

/** A command that says on the host that it runs: by a process of this name. */
async function startCommand(work: Work, seconds: number): Promise<Promise<{ value: Reply; ms: number }>[]> {
  const before = heldBy(site.stack, runnerOf(work));
  const call = timed(() => work.bash(`touch /workspace/begun; sleep ${seconds}`));
  await until("the command", () => without(heldBy(site.stack, runnerOf(work)), before).processes.length > 0, {
    within: 10_000,
  });
  return [call];
}

/** As an agent is told that a session is not there: on one wire by 404, on the other by an error that says how to go on. */
function expectLost(wire: (typeof wires)[number], reply: Reply): void {
  if (wire === "2025-11-25") expect([reply.status, reply.text]).toEqual([404, expect.any(String)]);
  else expect(reply.text).toMatch(/gone|start a new one/);
  expect(saidBy(reply)).not.toContain("fresh");
}

describe.each(wires)("a runner that is killed, on the wire of %s", (wire) => {
  it("fails the call that runs, and its session is lost: no other runner takes it over", {
    timeout: 120_000,
  }, async () => {
    const work = await begin(wire);
    await work.bash("echo kept >a");
    const runner = runnerOf(work);
    const [call] = await startCommand(work, 3211);
    // Alone, as when memory runs out: not its group.
    process.kill(zoneOf(runner).pid, "SIGKILL");
    const { value, ms } = (await call) ?? { value: undefined, ms: 0 };
    expect(value && failureOf(value)).toMatchObject({ code: "unavailable", retryable: false });
    expect(ms).toBeLessThan(10_000);
    await until("the end of what ran", () => heldBy(site.stack, runner).processes.length === 0, {
      within: 2_000,
    });

    const other = await until("a session elsewhere", () => begin(wire), { within: 15_000 });
    expect(runnerOf(other)).not.toBe(runner);
    expect(saidBy(await other.bash("ls; echo on"))).toBe("on");
    expectLost(wire, await work.bash("cat a || echo fresh"));

    await bringBack(runner);
    expect(heldBy(site.stack, runner)).toEqual(nothing);
    await until(
      "the old name told as lost",
      async () => expectLost(wire, await work.bash("cat a || echo fresh")) ?? true,
      {
        within: 10_000,
      },
    );
    expect(saidBy(await other.bash("echo still on"))).toBe("still on");
  });
});

describe("a work item that its runner has begun", () => {
  it("is begun by no other when that one is dead: it is ended", { timeout: 120_000 }, async () => {
    const work = await begin("2025-11-25");
    const runner = runnerOf(work);
    const other = names.find((name) => name !== runner) ?? "";
    await work.bash("echo kept >a");
    const { logFile } = zoneOf(other);
    const given = () =>
      readFileSync(logFile, "utf8").split("the session's runner is gone, and the session with it").length;
    const [before, held] = [given(), heldBy(site.stack, other)];
    await zoneOf(runner).kill();
    try {
      await until("it given to the other", () => given() > before, { within: 75_000, every: 250 });
      expect(heldBy(site.stack, other)).toEqual(held);
      expectLost("2025-11-25", await work.bash("cat a || echo fresh"));
    } finally {
      await bringBack(runner);
    }
  });
});

describe.each(wires)("on the wire of %s", (wire) => {
  it("a sandbox whose agent is killed is lost, and says so", async () => {
    const before = Object.fromEntries(names.map((name) => [name, heldBy(site.stack, name)]));
    const work = await begin(wire);
    await work.bash("echo kept >a");
    const runner = runnerOf(work);
    const [call] = await startCommand(work, 3221);
    const was = before[runner];
    if (was === undefined) throw new Error("whose is it?");
    process.kill(agentAmong(without(heldBy(site.stack, runner), was).processes), "SIGKILL");
    const { value, ms } = (await call) ?? { value: undefined, ms: 0 };
    expect(value?.text).toMatch(/lost/);
    expect(value?.message.result?.isError).toBe(true);
    expect(ms).toBeLessThan(5_000);
    expectLost(wire, await work.bash("cat a || echo fresh"));
    await until("nothing left", () => sameAs(heldBy(site.stack, runner), was), { within: 5_000 });
  });

  it("so is one that is killed from inside; the tool for it refuses", async () => {
    const work = await begin(wire);
    const refused = await work.call("kill_process", { pid: 2 });
    expect(refused.message.result?.isError).toBe(true);
    expect(saidBy(await work.bash("echo on"))).toBe("on");
    const reply = await work.bash("kill -9 1; kill -9 2; sleep 60; echo fresh");
    expect(saidBy(reply)).toMatch(
      wire === "2025-11-25"
        ? /^The sandbox ended during this call, and its .* are lost/
        : /^This sandbox is gone, and its .* are lost/,
    );
    expectLost(wire, await work.bash("echo fresh"));
  });

  it("a NATS server that restarts fails the call that runs, and not the session", {
    timeout: 90_000,
  }, async () => {
    const work = await begin(wire);
    await work.bash("X=kept; echo kept >a");
    const [call] = await startCommand(work, 3231);
    await site.stack.nats.kill();
    const { value, ms } = (await call) ?? { value: undefined, ms: 0 };
    expect(value && failureOf(value)).toMatchObject({ code: "unavailable", retryable: false });
    expect(ms).toBeLessThan(10_000);
    await site.stack.nats.restart();
    const again = await until(
      "the session again",
      async () => {
        const reply = await work.bash("cat a");
        return reply.message.result === undefined ? undefined : reply;
      },
      { within: 20_000, every: 200 },
    );
    expect(saidBy(again)).toBe("kept");
    expect(await sleepers(runnerOf(work), "3231")).toEqual([]);
  });
});

it("a runner that is told to stop lets calls end, begins none, and leaves nothing", {
  timeout: 90_000,
}, async () => {
  const work = await begin("2025-11-25");
  const runner = runnerOf(work);
  await work.bash("true");
  const before = heldBy(site.stack, runner);
  const call = work.bash("sleep 1.5; echo finished");
  await until("the command", () => without(heldBy(site.stack, runner), before).processes.length > 0, {
    within: 5_000,
  });
  const stopped = zoneOf(runner).kill("SIGTERM");
  try {
    expect(saidBy(await call)).toBe("finished");
    await stopped;
    expect(heldBy(site.stack, runner)).toEqual(nothing);
    const other = await until("a session elsewhere", () => begin("2025-11-25"), { within: 10_000 });
    expect(runnerOf(other)).not.toBe(runner);
    expectLost("2025-11-25", await work.bash("echo fresh"));
  } finally {
    await bringBack(runner);
  }
});

it("without any runner a call fails in time, and may be tried again", { timeout: 90_000 }, async () => {
  for (const name of names) await zoneOf(name).kill();
  await until(
    "the edge knowing",
    async () => failureOf(await site.tryToBegin("2025-11-25", agent)) !== undefined,
    {
      within: 30_000,
    },
  );
  for (const wire of wires) {
    const { value, ms } = await timed(() => site.tryToBegin(wire, agent));
    expect(failureOf(value)).toMatchObject({ code: "unavailable", retryable: true });
    expect(ms).toBeLessThan(1_000);
  }
  for (const name of names) await bringBack(name);
});

function sameAs(now: object, then: object): boolean {
  return JSON.stringify(now) === JSON.stringify(then);
}

async function sleepers(runner: string, seconds: string): Promise<number[]> {
  const find = () =>
    heldBy(site.stack, runner).processes.filter((pid) => commandLineOf(pid).includes(seconds));
  await until("the command's end", () => find().length === 0, { within: 10_000 }).catch(() => undefined);
  return find();
}
