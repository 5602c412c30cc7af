import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, expect, it } from "vitest";
import { IsolationError } from "../isolation-error.ts";
import { launch } from "./launch.ts";
import { passableFolder } from "./world.fixture.ts";

afterAll(leakCheck);

/** As bubblewrap is when its library is not where it was: over before anybody could have asked it anything. */
it("tells at once why a program ended that never began, however early it ended", async () => {
  const folder = await passableFolder();
  try {
    const bwrap = join(folder, "bwrap");
    await writeFile(bwrap, "#!/bin/sh\necho no library >&2\nexit 127\n", { mode: 0o755 });
    const options = { bwrap, prepare: async () => [], seccomp: "/dev/null", inherited: [], uid: undefined };
    const began = performance.now();
    for (let round = 0; round < 20; round++)
      await expect(launch({ ...options, beforeStart: async () => {} })).rejects.toMatchObject({
        code: "start",
        reason: "no library",
      });
    expect(performance.now() - began).toBeLessThan(8_000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it("tells that a program could not be run at all", async () => {
  await expect(
    launch({
      bwrap: "/nowhere/bwrap",
      prepare: async () => [],
      seccomp: "/dev/null",
      inherited: [],
      uid: undefined,
      beforeStart: async () => {},
    }),
  ).rejects.toMatchObject({ code: "start" });
});

it("gives up, and keeps the reason, when what the arguments speak of could not be made", async () => {
  const refused = new IsolationError("refused", "no such base", { field: "workspace.base" });
  await expect(
    launch({
      bwrap: "/usr/bin/cat",
      prepare: () => Promise.reject(refused),
      seccomp: "/dev/null",
      inherited: [],
      uid: undefined,
      beforeStart: async () => {},
    }),
  ).rejects.toBe(refused);
});

it("gives up no sooner than what the arguments speak of is made, so that it can be put away", async () => {
  let made = false;
  const prepare = async (): Promise<readonly string[]> => {
    await pause(100);
    made = true;
    return [];
  };
  const options = { bwrap: "/nowhere/bwrap", prepare, seccomp: "/dev/null", inherited: [], uid: undefined };
  for (const seccomp of ["/dev/null", "/nowhere/seccomp"]) {
    made = false;
    await expect(launch({ ...options, seccomp, beforeStart: async () => {} })).rejects.toThrow();
    expect(made).toBe(true);
  }
});
