import { expect, test } from "vitest";
import { revocationKey, revocations } from "./revocations.ts";

test("no key of a revocation can be guessed or comes twice, and each is one token of a subject", () => {
  const keys = Array.from({ length: 100 }, () => revocationKey("token"));
  expect(new Set(keys).size).toBe(100);
  for (const key of keys) expect(key).toMatch(/^token-[0-9a-f-]{36}$/);
});

test("a revocation is written once: neither its writer nor an answer of JetStream replaces it", () => {
  expect(revocations.writeOnce).toBe(true);
});
