import { expect, test } from "vitest";
import { pastTime } from "./time.ts";

const now = Date.UTC(2026, 0, 31, 12);

test.each([
  ["1h", Date.UTC(2026, 0, 31, 11)],
  ["7d", Date.UTC(2026, 0, 24, 12)],
  ["2026-01-30", Date.UTC(2026, 0, 30)],
  ["2026-01-30T10:00:00Z", Date.UTC(2026, 0, 30, 10)],
  ["2026-01-30T10:00:00.5+02:00", Date.UTC(2026, 0, 30, 8, 0, 0, 500)],
])("%s is a point in the past", (text, expected) => {
  expect(pastTime("--since", text, now).getTime()).toBe(expected);
});

test.each(["", "5", "yesterday", "2026", "2026-02-30T25:00:00Z", "2026-01-30T10:00:00", "-1h"])(
  "%j is refused",
  (text) => {
    expect(() => pastTime("--since", text, now)).toThrow("--since wants");
  },
);
