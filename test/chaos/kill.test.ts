import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Reply, toolCall } from "../e2e/call.fixture.ts";
import { type Chaos, failureOf, isAnswer, restartBroker, startChaos, timed } from "./chaos.fixture.ts";

// Each process is killed without a word, while a stream runs and while calls come. What a call may then be is: answered,
// with its effect once; or failed within its bound, with an error that says whether to try again.
afterAll(leakCheck);
let chaos: Chaos;
beforeAll(async () => {
  chaos = await startChaos();
});
beforeEach(() => chaos.recovers());
afterAll(() => chaos?.stop());

const victims = {
  connector: () => chaos.stack.zones.get("connector-connector-1"),
  broker: () => chaos.stack.zones.get("broker-broker-1"),
  "nats-server": () => chaos.stack.nats,
  OpenBao: () => chaos.stack.vault,
  upstream: () => chaos.upstream,
} as const;
type Victim = keyof typeof victims;

function victim(name: Victim): { kill(): Promise<void>; restart(): Promise<void> } {
  const found = victims[name]();
  if (found === undefined) throw new Error(`there is no ${name}`);
  if (name !== "broker") return found;
  return { kill: () => found.kill(), restart: () => restartBroker(chaos.stack) };
}

/** How long a machine under load may be late. */
const graceMs = 500;

async function failsWithin(ms: number, call: () => Promise<Reply>): Promise<Reply> {
  const { value, ms: took } = await timed(call);
  expect(failureOf(value)?.code).toBe("unavailable");
  expect(took).toBeLessThan(ms);
  return value;
}

describe("a running stream", () => {
  it.each<[Victim, number]>([
    ["connector", 3_000],
    ["nats-server", 3_000],
    ["upstream", 1_000],
  ])("ends with an error when the %s is killed, within its bound", async (name, bound) => {
    const stream = await chaos.startStream();
    const killed = performance.now();
    await victim(name).kill();
    expect((await stream.over) - killed).toBeLessThan(bound + graceMs);
    // No client waits for ever: the call's own id got an error as the last event, or the stream was cut.
    const last = stream.text().split("\n\n").at(-2) ?? "";
    if (last.includes('"error"')) expect(last).toContain('"code":"unavailable"');
    await victim(name).restart();
    await chaos.recovers();
  });

  it.each<Victim>(["broker", "OpenBao"])(
    "goes on when the %s is killed, and so do calls with a live lease",
    async (name) => {
      const stream = await chaos.startStream();
      await victim(name).kill();
      const heard = stream.events();
      for (let at = 0; at < 20; at += 1) expect(isAnswer(await chaos.callOnLiveLease())).toBe(true);
      await failsWithin(1_000 + graceMs, chaos.callThatLeases);
      expect(stream.events()).toBeGreaterThan(heard);
      stream.close();
      await victim(name).restart();
      await chaos.recovers();
    },
  );
});

describe("a call", () => {
  it("while no connector is there fails at once, and may be tried again", async () => {
    await victim("connector").kill();
    const stream = chaos.callOnLiveLease();
    await stream; // until the edge has noticed, a call takes up to its bound
    const reply = await failsWithin(500 + graceMs, chaos.callOnLiveLease);
    expect(failureOf(reply)?.retryable).toBe(true);
    await victim("connector").restart();
    await chaos.recovers();
  });

  it("while NATS is away fails at once, and may be tried again", async () => {
    await victim("nats-server").kill();
    await chaos.callOnLiveLease();
    const reply = await failsWithin(500 + graceMs, chaos.callOnLiveLease);
    expect(failureOf(reply)?.retryable).toBe(true);
    await victim("nats-server").restart();
    await chaos.recovers();
  });

  it("while the upstream is away fails at once, and may be tried again: nothing reached it", async () => {
    await victim("upstream").kill();
    await chaos.callOnLiveLease();
    const reply = await failsWithin(1_000 + graceMs, chaos.callOnLiveLease);
    expect(failureOf(reply)).toMatchObject({ source: "upstream", retryable: true });
    await victim("upstream").restart();
    await chaos.recovers();
  });
});

describe("under load", () => {
  it.each(Object.keys(victims) as Victim[])(
    "no effect is lost or doubled when the %s is killed",
    async (name) => {
      const run = `${name}-${crypto.randomUUID()}`;
      const outcomes = new Map<string, Reply>();
      const latest = { ms: 0 };
      let next = 0;
      let restarted: Promise<void> | undefined;
      const worker = async () => {
        while (next < 160) {
          const effect = `${run}-${next++}`;
          if (next === 50)
            restarted = victim(name)
              .kill()
              .then(() => victim(name).restart());
          const { value, ms } = await timed(() =>
            chaos.call(toolCall("2025-11-25", "write", { effect, delayMs: 20 })),
          );
          latest.ms = Math.max(latest.ms, ms);
          outcomes.set(effect, value);
          // No wait for anything that could be seen: it is how this client behaves. One that is told to try later does so
          // later; without this a dead zone eats all calls in a moment. Nothing below rests on how long it is.
          if (!isAnswer(value)) await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      await restarted;
      await chaos.recovers();
      const effects = chaos.effects();
      expect(outcomes.size).toBe(160);
      const counts = { answered: 0, failed: 0 };
      for (const [effect, reply] of outcomes) {
        const happened = effects.get(effect) ?? 0;
        if (isAnswer(reply)) {
          counts.answered += 1;
          expect([effect, happened]).toEqual([effect, 1]);
          continue;
        }
        counts.failed += 1;
        const failure = failureOf(reply);
        expect(failure, `${effect}: ${reply.status} ${reply.text}`).toBeDefined();
        // What may be tried again without a thought has had no effect; all else had at most one.
        expect(happened).toBeLessThanOrEqual(failure?.retryable ? 0 : 1);
      }
      expect(counts.answered).toBeGreaterThan(50);
      expect(latest.ms).toBeLessThan(5_000);
      if (name === "broker" || name === "OpenBao") expect(counts.failed).toBe(0);
    },
  );
});
