import { describe, expect, it } from "vitest";
import { check } from "./check.ts";
import { configured } from "./resources.ts";

describe("what is neither a plan nor a state", () => {
  it.each([[{}], [{ planned_values: {} }], [{ values: {} }]])("is refused: %j", (shown) => {
    expect(() => check(shown, "connector")).toThrow(/no plan and no state/);
  });
});

describe("an address in the configuration", () => {
  it.each([
    ['module.a["x"].aws_b.c[0]', "module.a.aws_b.c"],
    ['aws_b.c["a \\"quoted\\" [1] key"]', "aws_b.c"],
    ["aws_b.c", "aws_b.c"],
  ])("%s is that of %s", (address, wanted) => expect(configured(address)).toBe(wanted));
});
