import { type Bus, openBucket } from "@sallyport/bus";
import { environmentKeys } from "@sallyport/contracts";
import type { App } from "@sallyport/runtime";
import { Environments } from "./environments.ts";
import { handleWorkApi, type WorkApiCall } from "./handle-work-api.ts";
import { EnvironmentKeys } from "./keys.ts";

const sweepMs = 1_000;

export interface WorkApi {
  environments: Environments;
  /** A call of `/v1/…`. */
  call(call: WorkApiCall): Promise<void>;
}

/** The work API for workers outside, under the keys that the operator keeps in NATS. */
export async function openWorkApi(
  app: App,
  of: { bus: Bus; tenant: string; host: string; placeWithin: number },
): Promise<WorkApi> {
  const { tenant, placeWithin } = of;
  const environments = new Environments({ tenant, placeWithin, now: Date.now });
  app.use({ close: async () => environments.close() }, "sessions of workers outside");
  const keys = new EnvironmentKeys();
  const bucket = await openBucket(of.bus, environmentKeys);
  app.use(await bucket.watch((id, entry) => keys.set(id, entry?.value)), "environment keys");
  const sweep = setInterval(() => environments.sweep(), sweepMs);
  app.use({ close: async () => clearInterval(sweep) }, "sweep of work items");
  const deps = { environments, keys, hosts: new Set([of.host]), log: app.log };
  return { environments, call: (call) => handleWorkApi(deps, call) };
}
