import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
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

it("gives the group of a sandbox its limits, swap included", async () => {
  await writeFile(join(parent, "cgroup.controllers"), "cpuset cpu io memory pids\n");
  const groups = await cgroupsV2(parent, "runner");
  await groups?.create("one", { memoryBytes: 1_000_000, pids: 20, cpus: 0.5 });
  const read = (file: string): Promise<string> => readFile(join(parent, "sallyport-runner", file), "utf8");
  expect(await readFile(join(parent, "cgroup.subtree_control"), "utf8")).toBe("+memory +pids +cpu");
  expect(await read("cgroup.subtree_control")).toBe("+memory +pids +cpu");
  expect(await read("one/memory.max")).toBe("1000000");
  expect(await read("one/memory.swap.max")).toBe("0");
  expect(await read("one/pids.max")).toBe("20");
  expect(await read("one/cpu.max")).toBe("50000 100000");
  expect(await groups?.ids()).toEqual(["one"]);
});

it("counts in the kernel's units, and what is not counted is undefined", async () => {
  await writeFile(join(parent, "cgroup.controllers"), "cpu memory pids\n");
  const group = await (await cgroupsV2(parent, "runner"))?.create("one", {});
  await group?.join(4711);
  const folder = join(parent, "sallyport-runner/one");
  expect(await readFile(join(folder, "cgroup.procs"), "utf8")).toBe("4711");
  expect(await group?.usage()).toEqual({
    cpuMilliseconds: undefined,
    peakMemoryBytes: undefined,
    outOfMemoryKills: undefined,
    throttledPeriods: undefined,
  });
  await writeFile(join(folder, "cpu.stat"), "usage_usec 1500000\nuser_usec 1\nnr_throttled 7\n");
  await writeFile(join(folder, "memory.peak"), "4096\n");
  await writeFile(join(folder, "memory.events"), "oom 3\noom_kill 2\n");
  expect(await group?.usage()).toEqual({
    cpuMilliseconds: 1_500,
    peakMemoryBytes: 4_096,
    outOfMemoryKills: 2,
    throttledPeriods: 7,
  });
});

it("is not there without every controller, or where nothing was delegated", async () => {
  await writeFile(join(parent, "cgroup.controllers"), "hugetlb\n");
  expect(await cgroupsV2(parent, "runner")).toBeUndefined();
  await mkdir(join(parent, "empty"));
  expect(await cgroupsV2(join(parent, "empty"), "runner")).toBeUndefined();
  expect(await cgroupsV2("/sys/fs/cgroup/unified/nowhere", "runner")).toBeUndefined();
});
