import { expect, it } from "vitest";
import { Backoff } from "./backoff.ts";

it("waits twice as long after each failure, to a bound, for this key only, until a start succeeds", () => {
  let now = 0;
  const backoff = new Backoff({ firstMs: 250, mostMs: 1_000 }, () => now);
  const waits: (number | undefined)[] = [];
  for (let failure = 0; failure < 4; failure += 1) {
    backoff.failed("a", "it broke");
    waits.push(backoff.waiting("a")?.leftMs);
    now += 1_000;
    expect(backoff.waiting("a")).toBeUndefined();
  }
  expect(waits).toEqual([250, 500, 1_000, 1_000]);
  expect(backoff.waiting("b")).toBeUndefined();
  backoff.succeeded("a");
  backoff.failed("a", "it broke");
  expect(backoff.waiting("a")).toEqual({ why: "it broke", leftMs: 250 });
});
