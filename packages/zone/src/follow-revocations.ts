import { type Bus, openBucket } from "@sallyport/bus";
import { revocations } from "@sallyport/contracts";
import type { App } from "@sallyport/runtime";
import type { z } from "zod";

type Revocation = Pick<z.output<typeof revocations.value>, "kind" | "value"> & { until: Date };

/** Tells of each of the operator's revocations. Resolves when those that exist were told: before, nobody may be served. */
export async function followRevocations(
  app: App,
  bus: Bus,
  told: (revocation: Revocation) => void,
): Promise<void> {
  const bucket = await openBucket(bus, revocations);
  const watch = await bucket.watch((_key, entry) => {
    // An entry that is gone revokes no less: it stands here until its end.
    if (entry === undefined) return;
    const { kind, value, until } = entry.value;
    told({ kind, value, until: new Date(until) });
  });
  app.use(watch, "revocations");
}
