import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot, openWorld, type World } from "../bubblewrap/world.fixture.ts";
import type { Check } from "../capabilities.ts";
import type { Sandbox, SandboxSpec } from "../driver.ts";
import { probe } from "./probe.ts";

afterAll(leakCheck);

describe.skipIf(!isRoot)("the check of the limit of processor time (skipped: this is not root)", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  async function check(start: (spec: SandboxSpec) => Promise<Sandbox>): Promise<Check | undefined> {
    const { class: judged } = await world.driver.probe();
    const folder = join(world.folder, "probe");
    await mkdir(folder, { recursive: true });
    const { checks } = await probe({ driver: "bubblewrap", class: judged, folder, start });
    return checks.find(({ protects }) => protects === "limits.cpus");
  }

  it("passes where the kernel cut its sandbox short, and not where it says that it never did", async () => {
    expect(await check((spec) => world.driver.create(spec))).toMatchObject({ seen: "held", proven: true });
    const never = async (spec: SandboxSpec): Promise<Sandbox> => {
      const sandbox = await world.driver.create(spec);
      return { ...sandbox, destroy: async () => ({ ...(await sandbox.destroy()), throttledPeriods: 0 }) };
    };
    expect(await check(never)).toMatchObject({
      seen: "held, but no quota was ever reached",
      proven: false,
    });
  });

  it("does not take a busy host, nor an idle one, for a quota", async () => {
    const unlimited = ({ limits: { cpus: _, ...limits }, ...spec }: SandboxSpec): Promise<Sandbox> =>
      world.driver.create({ ...spec, limits });
    expect(await check(unlimited)).toMatchObject({ proven: false });
  });
});
