import type { Capabilities, Requirements } from "@sallyport/contracts";
import { expect, test } from "vitest";
import type { Enrolled } from "../commands/servers.ts";
import type { Heard } from "../hear-presence.ts";
import { checkDemands } from "./check-demands.ts";

const alive = { boot: "b", version: "0.1.0", startedAt: new Date(0).toISOString(), heardAt: 0 };
const asked: Requirements = {
  ...{ kernel: "shared", network: "none", memoryMiB: 512, pids: 128, cpu: 1, diskMiB: 1024 },
};
const given: Capabilities = { ...asked, kernel: ["shared"], network: ["none"] };

function edge(instance: string, pools: Record<string, Requirements>, otherwise = asked): Heard {
  const named = Object.entries(pools).map(([name, requirements]) => ({ name, requirements }));
  return { ...alive, zone: "edge", instance, demands: { pools: named, otherwise } };
}

function runner(instance: string, pools: Record<string, Capabilities>): Heard {
  return {
    ...{ ...alive, zone: "runner", instance },
    servers: Object.keys(pools).map((name) => ({ name, ready: true })),
    sandboxes: {
      driver: "bubblewrap",
      class: { user: "own-uid", limits: "cgroup-v2", workspace: "mounted" },
      properties: [],
      pools: Object.entries(pools).map(([name, gives]) => ({ name, gives, unlimited: [] })),
    },
  };
}

function told(heard: readonly Heard[], enrolled?: Enrolled): [string, string, string][] {
  return checkDemands(heard, enrolled).map(({ name, state, what }) => [name, state, what]);
}

test("a pool that no runner can serve fails, and says what is asked, what is proven, and what to change", () => {
  const heard = [
    edge("edge-1", { sandbox: asked }),
    runner("runner-1", { sandbox: { ...given, memoryMiB: 256 } }),
  ];
  expect(checkDemands(heard, undefined)).toEqual([
    {
      name: "pool sandbox",
      state: "failed",
      what: "no runner can take a session of pool sandbox: edge-1 asks memoryMiB 512, runner-1 proves 256",
      fix: "lower `sandboxes.sandbox.memoryMiB` of the edge, or raise `pools.sandbox.memory` of a runner",
    },
  ]);
});

test("what an edge asks of a pool without settings counts too", () => {
  const heard = [edge("edge-1", {}), runner("runner-1", { builds: { ...given, pids: 64, diskMiB: 64 } })];
  expect(told(heard)).toEqual([
    [
      ...["pool builds", "failed"],
      "no runner can take a session of pool builds: edge-1 asks pids 128, diskMiB 1024, runner-1 proves 64, 64",
    ],
  ]);
});

test("one runner that can is enough; the others are warned of", () => {
  const wants = { ...asked, network: "egress" as const };
  const heard = [
    edge("edge-1", { sandbox: wants }),
    runner("runner-1", { sandbox: { ...given, network: ["none", "egress"] } }),
    runner("runner-2", { sandbox: given }),
  ];
  expect(told(heard)).toEqual([
    [
      ...["pool sandbox", "ok"],
      "runner-1 can take what edge-1 asks: kernel shared, network egress, memoryMiB 512, pids 128, cpu 1, diskMiB 1024",
    ],
    [
      ...["pool sandbox", "warning"],
      "runner-2 can take no session of it: edge-1 asks network egress, runner-2 proves none",
    ],
  ]);
});

test("a runner that is not enrolled for the pool takes nothing of it", () => {
  const heard = [
    edge("edge-1", { sandbox: asked }),
    runner("runner-1", { sandbox: given }),
    runner("runner-2", { sandbox: { ...given, cpu: 0.5 } }),
  ];
  const of =
    (...names: string[]): Enrolled =>
    ({ instance }) =>
      names.includes(instance);
  expect(told(heard, of("runner-2"))[0]).toEqual([
    ...["pool sandbox", "failed"],
    "no runner can take a session of pool sandbox: edge-1 asks cpu 1, runner-2 proves 0.5",
  ]);
  expect(told(heard, of())).toEqual([
    ["pool sandbox", "warning", "edge-1 has settings of it, and no runner that is enrolled for it is up"],
  ]);
});

test("edges that ask the same are told together, others apart", () => {
  const heard = [
    edge("edge-1", { sandbox: asked }),
    edge("edge-2", {}),
    edge("edge-3", { sandbox: { ...asked, kernel: "separate" } }),
    runner("runner-1", { sandbox: given }),
  ];
  expect(told(heard).map(([, state, what]) => [state, what.replace(/:.*/, "")])).toEqual([
    ["ok", "runner-1 can take what edge-1, edge-2 ask"],
    ["failed", "no runner can take a session of pool sandbox"],
  ]);
});

test("nothing is said of pools whose runners report nothing, nor where no edge says what it asks", () => {
  const { sandboxes: _, ...older } = runner("runner-1", { sandbox: given });
  expect(told([edge("edge-1", { sandbox: asked }), older])).toEqual([]);
  expect(told([runner("runner-1", { sandbox: given })])).toEqual([]);
});
