import { describe, expect, it } from "vitest";
import { judge, tried, weakerBy } from "./attack.ts";
import { linesOf } from "./inside.ts";

const held = tried("one", "EPERM", /^EPERM$/);
const escaped = tried("two", "allowed", /^EPERM$/);

describe("a verdict", () => {
  it("is held only when every try was", () => {
    expect(judge([held, held])).toEqual({ verdict: "held", seen: "EPERM ×2" });
    expect(judge([held, escaped])).toEqual({ verdict: "escaped", seen: "two: allowed" });
  });

  it("is an escape when nothing was tried", () => {
    expect(judge([]).verdict).toBe("escaped");
  });

  it("of a class that is weaker stays an escape where one was seen", () => {
    const weaker = { verdict: "weaker", seen: "refused", why: "No cgroup." } as const;
    expect(weakerBy(judge([held]), weaker)).toEqual({ ...weaker, seen: "EPERM; refused" });
    expect(weakerBy(judge([escaped]), weaker).verdict).toBe("escaped");
    expect(weakerBy(judge([held]), { verdict: "escaped", seen: "taken" }).verdict).toBe("escaped");
  });
});

describe("a list of tries from inside", () => {
  const expected = () => /^EPERM$/;
  it("is read line by line", () => {
    expect(linesOf("mount: EPERM\nchroot: allowed\nend: 2\n", 0, expected)).toEqual([
      { what: "mount", saw: "EPERM", held: true },
      { what: "chroot", saw: "allowed", held: false },
    ]);
  });

  it.each(["", "end: 0\n", "mount: EPERM\n", "mount: EPERM\nend: 2\n"])(
    "that is cut short is an escape: %j",
    (text) => {
      expect(judge(linesOf(text, 137, expected)).verdict).toBe("escaped");
    },
  );
});
