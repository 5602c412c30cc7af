import { type Bus, connectBus } from "@sallyport/bus";
import { ServiceError, type ZoneInstance } from "@sallyport/contracts";
import { type App, BootError } from "@sallyport/runtime";
import { followFiles } from "./follow-files.ts";
import { type NatsSettings, roadOf } from "./nats-settings.ts";

/** Connects in this instance's name; readiness says when NATS is away. Throws what stops the boot. */
export async function joinRelay(app: App, who: ZoneInstance, nats: NatsSettings): Promise<Bus> {
  const credentials = { creds: nats.creds.path };
  let used = (await nats.creds.read()).revealText();
  const connecting = connectBus({ servers: nats.servers, who, credentials, ...roadOf(nats), log: app.log });
  const bus = app.use(await connecting.catch(explained), "nats");
  app.health.check("nats", () => (bus.connected() ? "ok" : { problem: "NATS is away" }));
  followFiles(app, {
    name: "nats credentials",
    paths: [nats.creds.path],
    read: async () => {
      const now = (await nats.creds.read()).revealText();
      if (now === used) return [];
      used = now;
      // Before the old ones are cut off: who waits for that is away for longer.
      app.log.info({}, "other NATS credentials: connecting with them");
      await bus.reconnect();
      return [];
    },
  });
  return bus;
}

/** What the bus throws says which setting it is about: an operator mends it, and needs no stack. */
function explained(error: unknown): never {
  throw error instanceof ServiceError ? new BootError(error.message, { cause: error }) : error;
}
