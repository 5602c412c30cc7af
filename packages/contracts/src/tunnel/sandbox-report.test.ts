import { expect, test } from "vitest";
import { presence } from "./presence.ts";
import { maxDemands, maxPools, type SandboxReport } from "./sandbox-report.ts";

const alive = { boot: "b", version: "0.1.0", startedAt: new Date(0).toISOString() };
const servers = [{ name: "sandbox", ready: true }];
const gives = {
  ...{ kernel: ["shared" as const], network: ["none" as const] },
  ...{ memoryMiB: 256, pids: 64, cpu: 1, diskMiB: 64 },
};
const report: SandboxReport = {
  driver: "bubblewrap",
  class: { user: "own-uid", limits: "cgroup-v2", workspace: "mounted" },
  properties: [{ property: "isolation", proven: true }],
  pools: [{ name: "sandbox", gives, unlimited: [] }],
};

test("a runner's report comes with its announcement", () => {
  expect(presence.body?.parse({ ...alive, servers, sandboxes: report })).toEqual({
    ...alive,
    servers,
    sandboxes: report,
  });
});

const pool = { name: "p", gives, unlimited: [] };
test.each([
  ["of a later version", { ...report, class: { ...report.class, limits: "cgroup-v3" } }],
  ["with a property that is none", { ...report, properties: [{ property: "luck", proven: true }] }],
  [
    "with too much to say",
    { ...report, properties: [{ property: "egress", proven: false, why: "x".repeat(401) }] },
  ],
  ["with too many pools", { ...report, pools: Array.from({ length: maxPools + 1 }, () => pool) }],
  ["that is none", "everything is proven"],
])("a report %s is left out, and the announcement that edges route by stands", (_what, sandboxes) => {
  const heard = presence.body?.parse({ ...alive, servers, sandboxes, demands: 7 });
  expect(heard).toMatchObject({ ...alive, servers });
  expect([heard?.sandboxes, heard?.demands]).toEqual([undefined, undefined]);
});

test("the largest announcement of a runner fits its bound", () => {
  const pools = Array.from({ length: maxPools }, (_, n) => ({
    name: String(n).padEnd(64, "p"),
    gives: {
      kernel: ["shared", "separate"],
      network: ["none", "egress"],
      ...{ memoryMiB: 16_777_216, pids: 4_194_304, cpu: 4095.123456, diskMiB: 16_777_216 },
    },
    unlimited: ["memory", "pids", "cpus", "inodes"],
  }));
  const properties = ["isolation", "workspace.bytes", "workspace.base", "workspace.inodes", "temporaryBytes"]
    .concat("limits.memoryBytes", "limits.pids", "limits.cpus", "egress")
    .map((property) => ({ property, proven: false, why: "é".repeat(400) }));
  const of = pools.map(({ name }) => ({ name, ready: false, problem: "é".repeat(300) }));
  const body = { ...alive, servers: of, sandboxes: { ...report, properties, pools } };
  expect(presence.body?.parse(body).sandboxes?.pools).toHaveLength(maxPools);
  expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(presence.maxBytes);
});

test("the largest announcement of an edge fits its bound", () => {
  const requirements = {
    kernel: "separate",
    network: "egress",
    memoryMiB: 16_777_216,
    pids: 4_194_304,
    cpu: 4095.123456,
    diskMiB: 16_777_216,
  };
  const pools = Array.from({ length: maxDemands }, (_, n) => ({
    name: String(n).padEnd(64, "p"),
    requirements,
  }));
  const body = {
    ...alive,
    problems: ["no enrolled connector is connected"],
    demands: { pools, otherwise: requirements },
  };
  expect(presence.body?.parse(body).demands?.pools).toHaveLength(maxDemands);
  expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(presence.maxBytes);
});
