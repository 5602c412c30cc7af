import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findingsIn } from "./findings.ts";
import { readRepository } from "./source-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "direction-"));
  for (const folder of ["contracts", "bus", "runtime", "grant", "seal", "testkit"]) {
    declare(`packages/${folder}`, `@sallyport/${folder}`);
  }
  for (const folder of ["edge", "cli", "broker", "connector"])
    declare(`apps/${folder}`, `@sallyport/${folder}`);
  declare("infra/local", "@sallyport/infra-local");
  declare("infra/nats", "@sallyport/infra-nats");
  declare("infra/vault", "@sallyport/infra-vault");
  declare("examples/issuer", "@sallyport/example-issuer");
  declare("test", "@sallyport/test");
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const all = [
  "contracts",
  "bus",
  "runtime",
  "grant",
  "seal",
  "testkit",
  "edge",
  "cli",
  "infra-local",
  "infra-nats",
];
function declare(folder: string, name: string): void {
  const dependencies = Object.fromEntries(all.map((each) => [`@sallyport/${each}`, "workspace:*"]));
  write(`${folder}/package.json`, JSON.stringify({ name, dependencies }));
}

function found(): string[] {
  return findingsIn(readRepository(root)).map(
    ({ at, problem, because }) => `${at} ${problem} because ${because}`,
  );
}

test.each([
  ["packages/contracts/a.ts", 'import "@sallyport/bus";', "contracts is the floor"],
  ["packages/testkit/a.ts", 'import "@sallyport/bus";', "the testkit tests every package"],
  ["packages/bus/a.ts", 'import type { A } from "@sallyport/grant";', "neither each other nor any idea"],
  ["packages/bus/a.test.ts", 'import "@sallyport/edge";', "neither each other nor any idea"],
  ["packages/runtime/a.ts", 'export * from "@sallyport/bus";', "neither each other nor any idea"],
  ["packages/grant/a.ts", 'import "@sallyport/seal";', "an idea package is one idea"],
  ["packages/grant/a.ts", 'import "@sallyport/testkit";', "an idea package is one idea"],
  ["packages/grant/a.ts", 'const bus = await import("@sallyport/bus");', "an idea package is one idea"],
  ["apps/broker/a.ts", 'import "@sallyport/edge";', "apps meet over the bus"],
  ["apps/broker/a.test.ts", 'import "@sallyport/edge";', "apps meet over the bus"],
  ["apps/broker/a.ts", 'import "@sallyport/testkit";', "apps meet over the bus"],
  ["infra/local/a.ts", 'import "@sallyport/edge";', "starts apps as processes"],
  ["infra/vault/a.ts", 'import "@sallyport/bus";', "generated from contracts"],
  ["infra/nats/a.ts", 'import "@sallyport/grant";', "the roads that zones have"],
  ["examples/issuer/a.ts", 'import "@sallyport/contracts";', "not ours"],
  ["test/e2e/a.test.ts", 'import "@sallyport/cli";', "tested from outside"],
  ["apps/broker/a.ts", 'import "@sallyport/nowhere";', "no package of the workspace has that name"],
  ["apps/broker/a.ts", 'import "@nats-io/transport-node";', "one place parses, bounds and answers"],
  ["apps/broker/src/lease.ts", 'import vault from "node-vault";', "no path to secrets"],
  ["apps/edge/a.ts", 'import { spawn } from "node:child_process";', "must not start processes"],
  ["apps/edge/a.ts", 'import { spawn } from "child_process";', "must not start processes"],
  ["apps/connector/src/a.ts", 'process.getBuiltinModule("node:child_process")', "must not start processes"],
  ["apps/edge/a.ts", 'import { Worker } from "node:worker_threads";', "other ways to start code"],
  ["apps/edge/a.ts", 'import "@opentelemetry/sdk-trace";', "no-op @opentelemetry/api"],
  ["apps/edge/a.test.ts", 'import "@opentelemetry/core";', "no-op @opentelemetry/api"],
  ["apps/edge/a.ts", "const home = process.env.HOME;", "reads, checks and redacts settings"],
  ["apps/edge/a.ts", "process.exit(1);", "one place ends a process"],
  ["apps/edge/a.ts", 'process.once("SIGTERM", stop);', "how a process ends"],
  ["packages/runtime/src/config/a.ts", 'process.on("SIGHUP", reread);', "how a process ends"],
  ["apps/edge/a.ts", "const { env } = process;", "hides process.env"],
  ["apps/edge/a.ts", 'import { env } from "node:process";', "hides process.env"],
  ["apps/edge/a.ts", "await import(name);", "nobody can see what it loads"],
  ["apps/edge/a.ts", 'import "../broker/a.ts";', "is used by its name"],
  ["test/e2e/a.ts", 'import "../../apps/edge/a.ts";', "is used by its name"],
  ["packages/grant/src/a.ts", 'import "../../../top.ts";', "is used by its name"],
  ["apps/edge/src/utils.ts", "", "collects what nobody looks for there"],
  ["apps/edge/src/lease-manager.ts", "", "collects what nobody looks for there"],
  ["test/e2e/helpers.test.ts", "", "collects what nobody looks for there"],
  ["apps/edge/a.ts", "//\n".repeat(351), "split it"],
])("in %s, %j is found, and why", (path, source, because) => {
  write(path, source);
  expect(found()).toEqual([expect.stringContaining(because)]);
  expect(found()[0]?.startsWith(path)).toBe(true);
});

test.each([
  ["packages/bus/a.ts", 'import "@sallyport/contracts"; import "@nats-io/kv";'],
  ["packages/bus/a.test.ts", 'import "@sallyport/testkit"; import "@nats-io/jetstream";'],
  ["packages/runtime/src/telemetry/a.ts", 'import "@opentelemetry/sdk-trace";'],
  ["packages/runtime/src/config/a.ts", "process.env"],
  ["packages/runtime/src/lifecycle/a.ts", 'process.on("SIGTERM", () => process.exit(0));'],
  ["apps/broker/src/vault/a.ts", 'import vault from "node-vault";'],
  ["apps/connector/src/upstream/stdio/a.ts", 'import { spawn } from "node:child_process";'],
  ["apps/edge/a.ts", 'import "@opentelemetry/api"; import "@sallyport/bus"; import "./src/b.ts";'],
  ["infra/local/a.ts", 'import "@sallyport/cli"; import "@sallyport/testkit";'],
  ["apps/edge/src/common-name.ts", "//\n".repeat(350)],
  ["apps/edge/a.test.ts", "//\n".repeat(1000)],
])("in %s, %j is as it should be", (path, source) => {
  write(path, source);
  expect(found()).toEqual([]);
});

test("a workspace import that its own package.json does not declare is found", () => {
  write("apps/edge/package.json", JSON.stringify({ name: "@sallyport/edge" }));
  write("apps/edge/a.ts", 'import "@sallyport/grant";');
  expect(found()).toEqual([expect.stringContaining("apps/edge/package.json does not declare")]);
});

test("what is declared for tests serves tests alone", () => {
  const devDependencies = { "@sallyport/grant": "workspace:*" };
  write("apps/edge/package.json", JSON.stringify({ name: "@sallyport/edge", devDependencies }));
  write("apps/edge/a.test.ts", 'import "@sallyport/grant";');
  expect(found()).toEqual([]);
  write("apps/edge/b.ts", 'import "@sallyport/grant";');
  expect(found()).toEqual([expect.stringContaining("has for tests only")]);
});

test("a file that cannot be read to its end is named, not skipped", () => {
  write("apps/edge/a.ts", "const a = `");
  expect(found).toThrow(/apps\/edge\/a\.ts: line 1: a template without an end/);
});

test("what is installed or generated is not ours to judge", () => {
  write("apps/edge/node_modules/x/a.ts", "process.exit(1)");
  write("apps/edge/dist/a.ts", "process.exit(1)");
  expect(found()).toEqual([]);
});
