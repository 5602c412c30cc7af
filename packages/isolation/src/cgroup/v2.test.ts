import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Limits } from "./cgroup.ts";
import { cgroupsV2 } from "./v2.ts";

/**
 * Plain folders stand for groups: they show which files are written with what (cgroup-v2.rst), not that a kernel keeps to
 * it. That is what the probe's attacks are for, on a host that has a delegated group.
 */
let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "sallyport-cgroup-"));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

async function groupOf(limits: Limits) {
  await writeFile(join(parent, "cgroup.controllers"), "cpuset cpu io memory pids\n");
  const group = (await cgroupsV2(parent, "runner"))?.of("one", limits);
  if (group === undefined) throw new Error("no group");
  return group;
}

it("gives the group of a sandbox its limits, swap included, and bubblewrap's own process is none of its", async () => {
  const { make, joins } = await groupOf({ memoryBytes: 1_000_000, pids: 20, cpus: 0.5 });
  const folder = join(parent, "sallyport-runner/one");
  expect(await readFile(join(parent, "cgroup.subtree_control"), "utf8")).toBe("+memory +pids +cpu");
  const own = join(parent, "sallyport-runner/cgroup.subtree_control");
  expect(await readFile(own, "utf8")).toBe("+memory +pids +cpu");
  expect(make).toEqual([
    { do: "mkdir", path: folder, mode: 0o755 },
    { do: "write", path: join(folder, "memory.max"), text: "1000000", fine: [] },
    { do: "write", path: join(folder, "memory.swap.max"), text: "0", fine: ["ENOENT"] },
    { do: "write", path: join(folder, "pids.max"), text: "21", fine: [] },
    { do: "write", path: join(folder, "cpu.max"), text: "50000 100000", fine: [] },
  ]);
  expect(joins).toEqual([join(folder, "cgroup.procs")]);
});

it("counts in the kernel's units, and what is not counted is undefined", async () => {
  const { remove, usageOf } = await groupOf({});
  expect(remove.map((step) => ("path" in step ? step.path.split("/").at(-1) : step.do))).toEqual([
    "cpu.stat",
    "memory.peak",
    "memory.events",
    "one",
  ]);
  expect(usageOf([undefined, undefined, undefined])).toEqual({
    cpuMilliseconds: undefined,
    peakMemoryBytes: undefined,
    outOfMemoryKills: undefined,
    throttledPeriods: undefined,
  });
  const processor = "usage_usec 1500000\nuser_usec 1\nnr_throttled 7";
  expect(usageOf([processor, "4096", "oom 3\noom_kill 2"])).toEqual({
    cpuMilliseconds: 1_500,
    peakMemoryBytes: 4_096,
    outOfMemoryKills: 2,
    throttledPeriods: 7,
  });
});

it("tells of the groups that are there", async () => {
  await groupOf({});
  await mkdir(join(parent, "sallyport-runner/one"));
  expect(await (await cgroupsV2(parent, "runner"))?.ids()).toEqual(["one"]);
});

it("is not there without every controller, or where nothing was delegated", async () => {
  await writeFile(join(parent, "cgroup.controllers"), "hugetlb\n");
  expect(await cgroupsV2(parent, "runner")).toBeUndefined();
  await mkdir(join(parent, "empty"));
  expect(await cgroupsV2(join(parent, "empty"), "runner")).toBeUndefined();
  expect(await cgroupsV2("/sys/fs/cgroup/unified/nowhere", "runner")).toBeUndefined();
});
