import { expect, test } from "vitest";
import { cutOff } from "./cut-off.ts";

test("cut off is who was believed and is no more; who was never known, or is back, is not", () => {
  const files = new Set(["c1"]);
  let known: ReadonlySet<string> = new Set(files);
  const enrolment = { zone: "connector" as const, connector: "c1", publicKey: "spk1.x", servers: ["crm"] };
  const { isCutOff, reload } = cutOff({
    get: (name) => (known.has(name) ? enrolment : undefined),
    names: () => [...known],
    reload: () => {
      known = new Set(files);
      return [];
    },
  });
  expect(isCutOff("c1")).toBe(false);
  files.delete("c1");
  reload();
  expect([isCutOff("c1"), isCutOff("c2")]).toEqual([true, false]);
  reload();
  expect(isCutOff("c1")).toBe(true);
  files.add("c1");
  reload();
  expect(isCutOff("c1")).toBe(false);
});
