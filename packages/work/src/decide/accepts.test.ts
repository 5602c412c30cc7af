import fc from "fast-check";
import { expect, test } from "vitest";
import { accepts, lacks } from "./accepts.ts";
import { capabilities, requirements } from "./decide.fixture.ts";

test("what is proved is accepted, and less of an amount too", () => {
  expect(accepts(capabilities, requirements)).toBe(true);
  expect(accepts(capabilities, { ...requirements, memoryMiB: 1 })).toBe(true);
});

test.each([
  { kernel: "separate" },
  { network: "egress" },
  { memoryMiB: 257 },
  { pids: 65 },
  { cpu: 1.1 },
  { diskMiB: 513 },
] as const)("one requirement that is not proved is enough to refuse: %j", (more) => {
  expect(accepts(capabilities, { ...requirements, ...more })).toBe(false);
});

test("what is lacking is told with what was asked and what was proved", () => {
  expect(lacks(capabilities, requirements)).toEqual([]);
  expect(lacks(capabilities, { ...requirements, network: "egress", memoryMiB: 512 })).toEqual([
    { requirement: "network", asked: "egress", proved: "none" },
    { requirement: "memoryMiB", asked: 512, proved: 256 },
  ]);
});

test("a runner that has proved nothing takes nothing", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("shared", "separate"),
      fc.constantFrom("none", "egress"),
      (kernel, network) => {
        expect(
          accepts({ ...capabilities, kernel: [], network: [] }, { ...requirements, kernel, network }),
        ).toBe(false);
      },
    ),
  );
});
