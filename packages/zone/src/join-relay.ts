import { type Bus, connectBus } from "@sallyport/bus";
import type { ZoneInstance } from "@sallyport/contracts";
import type { App } from "@sallyport/runtime";
import type { NatsSettings } from "./nats-settings.ts";

/** Connects in this instance's name; readiness says when NATS is away. Throws what stops the boot. */
export async function joinRelay(app: App, who: ZoneInstance, nats: NatsSettings): Promise<Bus> {
  const { servers, creds, caFile } = nats;
  const tls = caFile === undefined ? {} : { tls: { caFile } };
  const bus = app.use(
    await connectBus({ servers, who, credentials: { creds }, ...tls, log: app.log }),
    "nats",
  );
  app.health.check("nats", () => (bus.connected() ? "ok" : { problem: "NATS is away" }));
  return bus;
}
