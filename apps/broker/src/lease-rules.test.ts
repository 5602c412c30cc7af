import fc from "fast-check";
import { expect, test } from "vitest";
import { fitsPattern, LeaseRule, problemsOfRules } from "./lease-rules.ts";

const text = { id: "r1", credential: "crm", servers: ["crm"], agents: "*", maxTtlSeconds: 60 };

test("a pattern fits as a regular expression of the same meaning would", () => {
  const part = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 });
  fc.assert(
    fc.property(part, name, (pattern, candidate) => {
      const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(candidate);
      expect(fitsPattern(pattern, candidate)).toBe(expected);
    }),
    { numRuns: 1_000 },
  );
});

test("a pattern is not a regular expression, and a name is not a pattern", () => {
  expect(fitsPattern("a.c", "abc")).toBe(false);
  expect(fitsPattern("bot-1", "*")).toBe(false);
});

test("a rule without agents is not valid: nobody is everybody by default", () => {
  const { agents: _, ...rest } = text;
  expect(LeaseRule.safeParse(rest).success).toBe(false);
  expect(LeaseRule.safeParse({ ...text, agents: [] }).success).toBe(false);
  expect(LeaseRule.safeParse(text).success).toBe(true);
});

test("a rule with a setting that nobody knows is not valid: it might be a restriction", () => {
  expect(LeaseRule.safeParse({ ...text, users: ["ann"] }).success).toBe(false);
});

test("rules and credentials that do not fit each other are told, each with its name", () => {
  const rule = LeaseRule.parse(text);
  expect(problemsOfRules([rule], ["crm"])).toEqual([]);
  expect(problemsOfRules([rule], [])).toEqual([expect.stringContaining("rule r1 is for credential crm")]);
  expect(problemsOfRules([rule], ["crm", "db"])).toEqual([
    expect.stringContaining("credential db has no rule"),
  ]);
  expect(problemsOfRules([rule, rule], ["crm"])).toEqual(
    expect.arrayContaining(["two rules have the id r1"]),
  );
});
