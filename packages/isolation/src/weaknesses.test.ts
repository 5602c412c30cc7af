import { expect, it } from "vitest";
import { weaknesses } from "./weaknesses.ts";

it("every weaker part of a class has its sentence, and the strictest has none", () => {
  expect(weaknesses({ user: "own-uid", limits: "cgroup-v2", workspace: "mounted" })).toEqual([]);
  const all = weaknesses({ user: "shared-uid", limits: "none", workspace: "tmpfs" });
  expect(all).toHaveLength(3);
  for (const sentence of all) expect(sentence).toMatch(/^[A-Z].*\.$/);
});
