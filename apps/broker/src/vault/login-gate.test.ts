import { Secret } from "@sallyport/runtime";
import fc from "fast-check";
import { expect, test } from "vitest";
import { VaultFailure } from "./failure.ts";
import { LoginRefused } from "./login.ts";
import { gateLogin, nextTryAt } from "./login-gate.ts";

const minute = 60_000;
const { signal } = new AbortController();
const token = { secret: Secret.fromText("t"), ttlSeconds: 60, renewable: true };

/** A login that answers as told, with files and a clock that the test moves. */
function gated(answer: () => Error | undefined) {
  const world = { now: 0, files: "first" as string | undefined, asked: 0 };
  const login = gateLogin(
    async () => {
      world.asked += 1;
      const thrown = answer();
      if (thrown !== undefined) throw thrown;
      return token;
    },
    { stamp: async () => world.files, now: () => world.now },
  );
  const outcome = () => login(signal).then(() => "in", String);
  return { world, outcome };
}

test("two brokers that share an AppRole, and are refused from any two moments on, do not lock it out", () => {
  // Vault's count: one more, or one again when the last refusal was 15 minutes ago.
  const worst = (starts: readonly number[]) => {
    let [count, last, most] = [0, -Infinity, 0];
    for (const at of starts.flatMap(triesFrom).sort((a, b) => a - b)) {
      count = at - last > 15 * minute ? 1 : count + 1;
      last = at;
      most = Math.max(most, count);
    }
    return most;
  };
  const moment = fc.integer({ min: 0, max: 200 * minute });
  fc.assert(fc.property(moment, moment, (one, other) => worst([one, other]) < 5));
});

/** Each answer takes 300 ms. */
function triesFrom(start: number): number[] {
  const times = [start];
  for (let refusals = 1; refusals < 8; refusals++) times.push(nextTryAt(refusals, (times.at(-1) ?? 0) + 300));
  return times;
}

test("a refused login is tried once more after 5 s, then in half an hour at the earliest, then each quarter", async () => {
  const { world, outcome } = gated(() => new LoginRefused("no"));
  expect(await outcome()).toContain("no");
  for (const [now, asked] of [
    [4_999, 1],
    [5_000, 2],
    [10_000, 2],
    [30 * minute, 2],
    [32 * minute, 3],
    [47 * minute, 3],
    [48 * minute, 4],
  ] as const) {
    world.now = now;
    expect(await outcome()).toContain("no");
    expect(world.asked, `at ${now} ms`).toBe(asked);
  }
});

test("other files are tried at once, and once more after 5 s; files that are away or empty are not", async () => {
  const { world, outcome } = gated(() => new LoginRefused("no"));
  await outcome();
  world.files = undefined;
  await outcome();
  expect(world.asked).toBe(1);
  world.files = "second";
  await outcome();
  await outcome();
  expect(world.asked).toBe(2);
  world.now += 5_000;
  await outcome();
  expect(world.asked).toBe(3);
});

test("a Vault that was not reached is asked again whenever there is need, and a success starts anew", async () => {
  let answer: Error | undefined = new VaultFailure("away", "no answer");
  const { world, outcome } = gated(() => answer);
  for (let tries = 0; tries < 5; tries++) expect(await outcome()).toContain("no answer");
  expect(world.asked).toBe(5);
  answer = undefined;
  expect(await outcome()).toBe("in");
  answer = new LoginRefused("no");
  await outcome();
  world.now += 5_000;
  await outcome();
  expect(world.asked).toBe(8);
});
