import { leakCheck } from "@sallyport/testkit";
import { afterAll, expect, it } from "vitest";
import { soakSessions } from "../bench/soak/soak.ts";
import { startSandboxSite } from "./sandbox.fixture.ts";

afterAll(leakCheck);

it("a hundred sessions leave no process, mount, cgroup, uid, socket or file", {
  timeout: 240_000,
}, async () => {
  const site = await startSandboxSite({ pools: { box: { slots: 8, slotsPerAgent: 8 } } });
  try {
    const { left, after, failures } = await soakSessions(
      { stack: site.stack, pool: "box" },
      { sessions: 100, concurrency: 4 },
    );
    expect(failures).toEqual([]);
    expect(left, JSON.stringify(after)).toEqual([]);
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
