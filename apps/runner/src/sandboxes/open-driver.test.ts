import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { passableFolder, reachableBubblewrap } from "@sallyport/isolation";
import { createLog, type Resource } from "@sallyport/runtime";
import { findTool, until } from "@sallyport/testkit";
import { expect, test } from "vitest";
import { openDriver } from "./open-driver.ts";

const isRoot = process.geteuid?.() === 0;

/** Where this process can make cgroups, on a host of version 1: what is there of a runner of this name. */
async function cgroupsOf(instance: string): Promise<string[]> {
  const own = /^\d+:pids:(.*)$/m.exec(await readFile("/proc/self/cgroup", "utf8"))?.[1] ?? "";
  const found = await readdir(join("/sys/fs/cgroup/pids", own)).catch(() => []);
  return found.filter((name) => name.startsWith(`sallyport-${instance}-`));
}

test.skipIf(!isRoot)("a runner that is told to stop while it opens its driver leaves no cgroup", async () => {
  const folder = await passableFolder("sallyport-open-driver-");
  const instance = `stopped-${process.pid}`;
  const closes: (() => unknown)[] = [];
  const app = {
    log: createLog({ zone: "runner", level: "silent" }),
    use: <R extends Resource>(resource: R): R => {
      closes.push(() => (resource as { close(): unknown }).close());
      return resource;
    },
  };
  try {
    const opening = openDriver(app, {
      ...({ instance, uids: { first: 1_900_000, count: 8 }, delegatedCgroup: undefined } as Parameters<
        typeof openDriver
      >[1]),
      bwrap: await reachableBubblewrap(await findTool("bwrap"), folder),
      state: join(folder, "state"),
    });
    opening.catch(() => undefined); // It goes on in vain.
    await until("its first cgroup", async () => (await cgroupsOf(instance)).length > 0, {
      within: 10_000,
      every: 1,
    });
    for (const close of closes) await close();
    await opening.catch(() => undefined);
    expect(await cgroupsOf(instance)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
