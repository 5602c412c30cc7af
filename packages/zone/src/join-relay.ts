import { type Bus, connectBus } from "@sallyport/bus";
import { ServiceError, type ZoneInstance } from "@sallyport/contracts";
import { type App, BootError } from "@sallyport/runtime";
import { type NatsSettings, roadOf } from "./nats-settings.ts";

/** Connects in this instance's name; readiness says when NATS is away. Throws what stops the boot. */
export async function joinRelay(app: App, who: ZoneInstance, nats: NatsSettings): Promise<Bus> {
  const credentials = { creds: nats.creds.path };
  const connecting = connectBus({ servers: nats.servers, who, credentials, ...roadOf(nats), log: app.log });
  const bus = app.use(await connecting.catch(explained), "nats");
  app.health.check("nats", () => (bus.connected() ? "ok" : { problem: "NATS is away" }));
  return bus;
}

/** What the bus throws says which setting it is about: an operator mends it, and needs no stack. */
function explained(error: unknown): never {
  throw error instanceof ServiceError ? new BootError(error.message, { cause: error }) : error;
}
