import { expect, test } from "vitest";
import { checkNode } from "../commands/doctor.ts";
import { checkClock } from "./check-issuer.ts";

const date = "Sat, 31 Jan 2026 12:00:00 GMT";
const then = Date.parse(date);

test.each([
  [0, "ok"],
  [900, "ok"],
  [4_000, "warning"],
  [-4_000, "warning"],
  [6_000, "failed"],
  [-6_000, "failed"],
])("a clock that is %i ms off is %s", (off, state) => {
  expect(checkClock(date, then + off).state).toBe(state);
});

test("it says which clock is ahead", () => {
  expect(checkClock(date, then + 10_500).what).toContain("10.0 s ahead of the issuer's");
  expect(checkClock(date, then - 9_500).what).toContain("10.0 s behind the issuer's");
});

test("an issuer without a date is a warning", () => {
  expect(checkClock(null, then).state).toBe("warning");
});

test("an old node fails", () => {
  expect(checkNode("24.1.0").state).toBe("failed");
  expect(checkNode("26.0.0").state).toBe("ok");
});
