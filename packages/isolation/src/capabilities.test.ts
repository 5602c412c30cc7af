import { expect, it } from "vitest";
import { assertProven, type Capabilities, type Protects } from "./capabilities.ts";
import type { SandboxSpec } from "./driver.ts";

const every: readonly Protects[] = [
  "isolation",
  "workspace.bytes",
  "workspace.base",
  "workspace.inodes",
  "temporaryBytes",
  "limits.memoryBytes",
  "limits.pids",
  "limits.cpus",
  "egress",
];

const capabilities = (proven: (protects: Protects) => boolean, list = every): Capabilities => ({
  driver: "a driver",
  class: { user: "own-uid", limits: "cgroup-v2", workspace: "mounted" },
  checks: list.map((protects) => ({
    check: "an attack",
    protects,
    expected: "EPERM",
    seen: proven(protects) ? "EPERM" : "allowed",
    proven: proven(protects),
    why: "It gets out.",
  })),
});

const all: SandboxSpec = {
  agent: { file: "/agent" },
  workspace: { base: "/base", bytes: 1, inodes: 1 },
  temporaryBytes: 1,
  limits: { memoryBytes: 1, pids: 1, cpus: 1 },
  egress: { socket: "/socket" },
};
const least: SandboxSpec = {
  agent: { file: "/agent" },
  workspace: { bytes: 1 },
  temporaryBytes: 1,
  limits: {},
};

it("accepts a spec of which every field is proven", () => {
  expect(() =>
    assertProven(
      all,
      capabilities(() => true),
    ),
  ).not.toThrow();
});

it.each(every)(
  "refuses a spec that asks for %s where an attack on it succeeded, and names the field",
  (field) => {
    expect(() =>
      assertProven(
        all,
        capabilities((protects) => protects !== field),
      ),
    ).toThrow(
      expect.objectContaining({ code: "refused", field, reason: expect.stringContaining("saw allowed") }),
    );
  },
);

it.each(every)("refuses a spec that asks for %s where nothing has proven it", (field) => {
  const others = every.filter((each) => each !== field);
  expect(() =>
    assertProven(
      all,
      capabilities(() => true, others),
    ),
  ).toThrow(expect.objectContaining({ code: "refused", field }));
});

it("refuses when one check of several failed", () => {
  const proven = capabilities(() => true);
  const failed = capabilities(() => false, ["isolation"]);
  expect(() => assertProven(least, { ...proven, checks: [...proven.checks, ...failed.checks] })).toThrow(
    expect.objectContaining({ field: "isolation" }),
  );
});

it("does not ask for what a spec does not", () => {
  const asked: readonly Protects[] = ["isolation", "workspace.bytes", "temporaryBytes"];
  expect(() =>
    assertProven(
      least,
      capabilities((protects) => asked.includes(protects)),
    ),
  ).not.toThrow();
});
