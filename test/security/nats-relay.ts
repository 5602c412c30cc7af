import type { ZoneInstance } from "@sallyport/contracts";
import { createTrust, issueUser, provisionStreams, serverConfig, type Trust } from "@sallyport/infra-nats";
import { startNats } from "@sallyport/testkit";
import { Wire } from "./nats-wire.ts";

/** The users whose subjects are tried: two of a zone wherever one could pose as the other. */
export const users: readonly ZoneInstance[] = [
  { zone: "edge", instance: "e1" },
  { zone: "edge", instance: "e2" },
  { zone: "connector", instance: "c1" },
  { zone: "connector", instance: "c2" },
  { zone: "runner", instance: "r1" },
  { zone: "runner", instance: "r2" },
  { zone: "broker", instance: "b1" },
  { zone: "broker", instance: "b2" },
  { zone: "collector", instance: "k1" },
  { zone: "operator", instance: "o1" },
];

/** A nats-server in operator mode with every stream in place. */
export interface Relay {
  trust: Trust;
  /** A raw connection with credentials made for this user. */
  join(who: ZoneInstance | "provisioner"): Promise<Wire>;
  open(creds: Uint8Array | undefined): Promise<Wire>;
  closeAll(): Promise<void>;
  stop(): Promise<void>;
  /** Makes the streams, or lets them grow. */
  provision(size?: { bucketBytes: number }): Promise<void>;
}

const sixteenMib = { bucketBytes: 16 * 1024 * 1024 };

export async function startRelay(size = sixteenMib): Promise<Relay> {
  const trust = await createTrust({ name: "test" });
  const jetstream = { dir: "jetstream", syncAlways: false, maxBytes: 256 * 1024 * 1024 };
  const server = await startNats({ jetstream: false, config: serverConfig(trust, { jetstream }) });
  const opened: Wire[] = [];
  const open = async (creds: Uint8Array | undefined) => {
    const wire = await Wire.open(server.port, creds);
    opened.push(wire);
    return wire;
  };
  const closeAll = async () => {
    await Promise.all(opened.splice(0).map((wire) => wire.close()));
  };
  const stop = async () => {
    await closeAll();
    await server.stop();
  };
  const provision: Relay["provision"] = async ({ bucketBytes } = sixteenMib) => {
    const creds = await issueUser(trust, "provisioner");
    const maxBytes = { log: 64 * 1024 * 1024, bucket: bucketBytes };
    await provisionStreams({ servers: [server.url], creds, maxBytes });
  };
  try {
    await provision(size);
  } catch (error) {
    await stop();
    throw error;
  }
  const join: Relay["join"] = async (who) => open(await issueUser(trust, who));
  return { trust, join, open, closeAll, stop, provision };
}
