import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownPath } from "../cgroup/own-path.ts";
import { isRoot, openWorld, type World } from "./world.fixture.ts";

afterAll(leakCheck);

describe.skipIf(!isRoot)("two hundred sandboxes (skipped: this is not root)", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
    await world.driver.probe();
  });
  afterAll(() => world.close());

  async function held(): Promise<Record<string, number>> {
    const state = join(world.options.state, "sandboxes");
    const own = ownPath(await readFile("/proc/self/cgroup", "utf8"), "pids") ?? "";
    const groups = await readdir(join("/sys/fs/cgroup/pids", own, `sallyport-${world.options.name}`), {
      withFileTypes: true,
    });
    const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
    return {
      folders: (await readdir(state)).length,
      groups: groups.filter((entry) => entry.isDirectory()).length,
      mounts: mounts.filter((line) => line.includes(state)).length,
      descriptors: (await readdir("/proc/self/fd")).length,
    };
  }

  it("leave no folder, mount, cgroup, descriptor or taken uid behind, four at once", async () => {
    await (await world.start()).destroy();
    const before = await held();
    // More than there are uids: each was given back.
    let left = 200;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await (await world.start()).destroy();
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    const after = await held();
    expect(after).toEqual({ ...before, descriptors: expect.any(Number) });
    expect(after.descriptors).toBeLessThanOrEqual((before.descriptors ?? 0) + 2);
  }, 60_000);
});
