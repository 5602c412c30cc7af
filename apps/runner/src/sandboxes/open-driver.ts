import { createHash } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BubblewrapDriver, bubblewrapDriver, IsolationError } from "@sallyport/isolation";
import { type App, BootError } from "@sallyport/runtime";
import type { z } from "zod";
import type { runnerConfig } from "../config.ts";

/**
 * The driver, after it has attacked a sandbox of its own class from inside, with what an earlier life left put away.
 * A host on which no sandbox can be isolated stops the boot.
 */
export async function openDriver(
  app: Pick<App, "use" | "log">,
  config: z.output<typeof runnerConfig>,
): Promise<BubblewrapDriver> {
  const { bwrap, state, instance, uids, delegatedCgroup } = config;
  await mkdir(state, { recursive: true });
  // Sandboxes have uids of their own, and their files are below.
  await chmod(state, 0o711);
  try {
    const opening = bubblewrapDriver({
      bwrap,
      name: nameOf(instance, state),
      state: join(state, "sandboxes"),
      ...(uids === undefined ? {} : { uids }),
      ...(delegatedCgroup === undefined ? {} : { delegatedCgroup }),
    });
    // Before it is open: who is told to stop meanwhile has made its cgroups.
    app.use(
      {
        close: () =>
          opening.then(
            (driver) => driver.close(),
            () => {},
          ),
      },
      "sandboxes",
    );
    const driver = await opening;
    const left = await driver.reap();
    // Their doors were sockets of that life.
    await rm(join(state, "doors"), { recursive: true, force: true });
    if (left > 0) app.log.warn({ left }, "sandboxes of an earlier life were put away");
    const { class: kind, checks } = await driver.probe();
    const unproven = checks.filter(({ proven }) => !proven).map(({ check }) => check);
    app.log.info({ ...kind, checks: checks.length, unproven }, "the sandbox class was attacked from inside");
    return driver;
  } catch (error) {
    if (!(error instanceof IsolationError)) throw error;
    throw new BootError(error.message, { setting: error.field ?? "bwrap", cause: error });
  }
}

/**
 * Cgroups are the host's, not the folder's: another runner of the same name on this host, with a folder of its own, must
 * not take ours for what an earlier life of its own left. The same after a restart.
 */
function nameOf(instance: string, state: string): string {
  const place = createHash("sha256").update(state).digest("hex").slice(0, 8);
  return `${instance.toLowerCase().replaceAll("_", "-").slice(0, 23)}-${place}`;
}
