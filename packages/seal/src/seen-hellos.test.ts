import { describe, expect, test } from "vitest";
import { FRESH_MS, seenHellos } from "./seen-hellos.ts";

const at = (ms: number) => new Date(1_800_000_000_000 + ms);

describe("the memory of hellos", () => {
  test("admits each once", () => {
    const seen = seenHellos();
    expect(seen.admit("a", at(0), at(0))).toBe("new");
    expect(seen.admit("b", at(0), at(0))).toBe("new");
    expect(seen.admit("a", at(0), at(0))).toBe("replayed");
  });

  test("keeps what is still fresh, refusing others when full", () => {
    const seen = seenHellos(2);
    seen.admit("a", at(0), at(0));
    seen.admit("from an edge whose clock is ahead", at(FRESH_MS), at(0));
    expect(seen.admit("c", at(0), at(FRESH_MS))).toBe("full");
    expect(seen.admit("a", at(0), at(FRESH_MS))).toBe("replayed");
    expect(seen.size).toBe(2);
  });

  test("makes room of what is stale, which the time check refuses anyway", () => {
    const seen = seenHellos(2);
    seen.admit("a", at(0), at(0));
    seen.admit("b", at(FRESH_MS), at(0));
    expect(seen.admit("c", at(FRESH_MS), at(FRESH_MS + 1))).toBe("new");
    expect(seen.admit("b", at(FRESH_MS), at(FRESH_MS + 1))).toBe("replayed");
  });
});
