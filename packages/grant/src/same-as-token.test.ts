import { expect, test } from "vitest";
import { after, facts, token } from "./grant.fixture.ts";
import { differenceFromToken, sameAsToken, type TokenDifference } from "./same-as-token.ts";
import type { TokenFacts } from "./token.ts";

test("a grant that says what the token says is the same", () => {
  expect(differenceFromToken(facts, token)).toBeUndefined();
  expect(sameAsToken(facts, token)).toBe(true);
  expect(sameAsToken(facts, { ...token, expiresAt: facts.expiresAt })).toBe(true);
});

const { user: _, ...withoutUser } = token;
test.each<[TokenDifference, TokenFacts]>([
  ["hash", { ...token, hash: "B".repeat(43) }],
  ["issuer", { ...token, issuer: "https://other.example" }],
  ["agent", { ...token, agent: "agent-8" }],
  ["user", { ...token, user: "eve" }],
  ["user", withoutUser],
  ["scope", { ...token, scopes: ["openid"] }],
  ["end", { ...token, expiresAt: after(299) }],
])("a grant that differs in %s is not", (difference, other) => {
  expect(differenceFromToken(facts, other)).toBe(difference);
  expect(sameAsToken(facts, other)).toBe(false);
});
