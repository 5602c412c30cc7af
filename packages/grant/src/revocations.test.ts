import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { after, facts, NOW } from "./grant.fixture.ts";
import { type RevocationTarget, revocations } from "./revocations.ts";

const targets: RevocationTarget[] = [
  { kind: "grant", value: facts.id },
  { kind: "token", value: facts.tokenHash },
  { kind: "session", value: facts.session },
  { kind: "agent", value: facts.agent },
  { kind: "server", value: facts.server },
  { kind: "everything" },
];

describe("revocations", () => {
  test("let a grant through that none of them names", () => {
    const set = revocations();
    expect(set.isRevoked(facts, NOW)).toBeUndefined();
    for (const target of targets) {
      if (target.kind !== "everything") set.add({ ...target, value: "other", until: after(60) }, NOW);
    }
    // A value counts only for what it names: an agent may be called like a server.
    set.add({ kind: "agent", value: facts.server, until: after(60) }, NOW);
    expect(set.isRevoked(facts, NOW)).toBeUndefined();
  });

  test.each(targets.map((target) => [target.kind, target] as const))(
    "stop a grant by %s until they end",
    (kind, target) => {
      const set = revocations();
      set.add({ ...target, until: after(60) }, NOW);
      expect(set.isRevoked(facts, NOW)).toBe(kind);
      expect(set.isRevoked(facts, after(59.999))).toBe(kind);
      expect(set.isRevoked(facts, after(60))).toBeUndefined();
    },
  );

  test.each(targets.map((target) => [target.kind, target] as const))(
    "by %s can be prolonged, never shortened",
    (kind, target) => {
      const set = revocations();
      set.add({ ...target, until: after(60) }, NOW);
      set.add({ ...target, until: after(10) }, NOW);
      expect(set.isRevoked(facts, after(30))).toBe(kind);
      set.add({ ...target, until: after(90) }, NOW);
      expect(set.isRevoked(facts, after(80))).toBe(kind);
    },
  );

  test("of one more than there is room for revoke everything until it ends, and forget none that is in force", () => {
    const set = revocations(2);
    const another = { ...facts, id: "another" };
    set.add({ kind: "grant", value: facts.id, until: after(60) }, NOW);
    set.add({ kind: "grant", value: "b", until: after(10) }, NOW);
    set.add({ kind: "grant", value: facts.id, until: after(90) }, NOW);
    expect(set.isRevoked(another, NOW)).toBeUndefined();
    set.add({ kind: "grant", value: "c", until: after(5) }, NOW);
    expect(set.isRevoked(another, NOW)).toBe("everything");
    expect(set.isRevoked(another, after(5))).toBeUndefined();
    expect(set.isRevoked(facts, after(80))).toBe("grant");
    // What has ended makes room.
    set.add({ kind: "grant", value: "c", until: after(60) }, after(10));
    expect(set.isRevoked(another, after(10))).toBeUndefined();
    expect(set.isRevoked({ ...facts, id: "c" }, after(10))).toBe("grant");
    expect(set.size).toBe(2);
  });

  test("need an end", () => {
    const until = new Date(Number.NaN);
    expect(() => revocations().add({ kind: "everything", until }, NOW)).toThrow(TypeError);
  });

  test("of any number, in any order, never forget one before its end", () => {
    const entry = fc.record({
      value: fc.constantFrom("a", "b", "c", "d", "e"),
      until: fc.nat(100),
      at: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const set = revocations(3);
        const ends = new Map<string, number>();
        for (const { value, until, at } of [...entries].sort((a, b) => a.at - b.at)) {
          set.add({ kind: "grant", value, until: after(until) }, after(at));
          ends.set(value, Math.max(ends.get(value) ?? 0, until));
          expect(set.size).toBeLessThanOrEqual(3);
          for (const [id, end] of ends)
            if (end > at) expect(set.isRevoked({ ...facts, id }, after(at))).toBeDefined();
        }
      }),
    );
  });
});
