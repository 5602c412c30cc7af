import type { ZoneInstance } from "@sallyport/contracts";
import { type NatsOptions, type NatsServer, startNats } from "@sallyport/testkit";
import { type Bus, type BusLog, type BusOptions, connectBus } from "./connect.ts";

export interface TestNats {
  server: NatsServer;
  /** What every bus logged, as level and message. */
  logged: string[];
  join(who: ZoneInstance, options?: Partial<BusOptions>): Promise<Bus>;
  stop(): Promise<void>;
}

export const connector = { zone: "connector", instance: "c1" } as const;
export const broker = { zone: "broker", instance: "b1" } as const;

/** A real nats-server, and connections to it in the name of zones. */
export async function startTestNats(options: NatsOptions = {}): Promise<TestNats> {
  const server = await startNats(options);
  const logged: string[] = [];
  const log = logInto(logged);
  const joined: Bus[] = [];
  return {
    server,
    logged,
    join: async (who, more = {}) => {
      const bus = await connectBus({ servers: [server.url], who, log, ...more });
      joined.push(bus);
      return bus;
    },
    stop: async () => {
      await Promise.all(joined.map((bus) => bus.close()));
      await server.stop();
    },
  };
}

export function logInto(lines: string[]): BusLog {
  const at = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level} ${message}`);
  };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
