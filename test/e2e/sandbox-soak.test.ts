import { leakCheck } from "@sallyport/testkit";
import { afterAll, expect, it } from "vitest";
import { inspectable } from "../bench/soak/retained.ts";
import { soakSessions } from "../bench/soak/soak.ts";
import { startSandboxSite } from "./sandbox.fixture.ts";

afterAll(leakCheck);

it("a hundred sessions leave no process, mount, cgroup, uid, socket or file, and no object in runner or edge", {
  timeout: 240_000,
}, async () => {
  const site = await startSandboxSite({
    pools: { box: { slots: 8, slotsPerAgent: 8 } },
    more: { nodeArgs: inspectable },
  });
  try {
    const { left, after, failures, retained } = await soakSessions(
      { stack: site.stack, pool: "box" },
      { sessions: 100, concurrency: 4 },
    );
    expect(failures).toEqual([]);
    expect(left, JSON.stringify(after)).toEqual([]);
    // A session that were kept would be dozens of objects. Caches and counters make a handful in all.
    const [first, last] = [retained[0], retained.at(-1)];
    for (const zone of ["runner", "edge"] as const)
      expect((last?.[zone].objects ?? 0) - (first?.[zone].objects ?? 0), zone).toBeLessThan(100);
    expect([after.processes, after.mounts, after.cgroups, after.uids, after.files > 0]).toEqual([
      0,
      0,
      0,
      0,
      true,
    ]);
  } finally {
    await site.stop();
  }
});
