import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, type BusLog, type Closable, connectBus } from "@sallyport/bus";
import { workItems, workQueue, type ZoneInstance } from "@sallyport/contracts";
import { createTrust, issueUser, provisionStreams, serverConfig } from "@sallyport/infra-nats";
import { startNats } from "@sallyport/testkit";
import { capabilities, requirements } from "./decide/decide.fixture.ts";
import type { Timing } from "./decide/decision.ts";
import { enqueueWork, type WorkOrder } from "./enqueue-work.ts";
import { serveWork } from "./serve-work.ts";
import { openStore } from "./store.ts";
import { type TakeDeps, takeWork } from "./take-work.ts";

const silent: BusLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

export const order: WorkOrder = {
  tenant: "t",
  pool: "default",
  data: { type: "session", id: "s1" },
  requirements,
  metadata: { traceparent: "00-1" },
};

/** A nats-server in operator mode with the work's streams, and edges and runners with the rights of their zones. */
export async function startWorkWorld(
  options: { timing?: Timing; ackWaitMs?: number; maxMessages?: number } = {},
) {
  const { timing, ackWaitMs = 1_000, maxMessages = workQueue.maxMessages } = options;
  const folder = await mkdtemp(join(tmpdir(), "work-"));
  const trust = await createTrust({ name: "test" });
  const store = { dir: join(folder, "jetstream"), syncAlways: false, maxBytes: 256 * 1024 ** 2 };
  const nats = await startNats({ jetstream: false, config: serverConfig(trust, { jetstream: store }) });
  const mib64 = 64 * 1024 ** 2;
  await provisionStreams({
    servers: [nats.url],
    creds: await issueUser(trust, "provisioner"),
    maxBytes: { log: mib64, bucket: mib64 },
    contracts: [workItems, { ...workQueue, ackWaitMs, maxMessages }],
  });
  const buses: Bus[] = [];
  const join_ = async (who: ZoneInstance): Promise<Bus> => {
    const creds = join(folder, `${who.zone}-${who.instance}.creds`);
    await writeFile(creds, await issueUser(trust, who), { mode: 0o600 });
    const bus = await connectBus({ servers: [nats.url], who, credentials: { creds }, log: silent });
    buses.push(bus);
    return bus;
  };
  const now = Date.now;
  return {
    nats,
    join: join_,
    /** An edge that answers runners, unless it is only to enqueue. */
    edge: async (instance: string, more: { mayServe?(runner: string): boolean; serves?: boolean } = {}) => {
      const bus = await join_({ zone: "edge", instance });
      const deps = { bus, store: await openStore(bus), now, ...(timing ? { timing } : {}) };
      const { mayServe = () => true, serves = true } = more;
      const served = serves ? serveWork(bus, { ...deps, mayServe }) : undefined;
      return {
        ...deps,
        served,
        enqueue: (withinMs: number, changes: Partial<WorkOrder> = {}) =>
          enqueueWork(deps, { ...order, ...changes }, { withinMs }),
      };
    },
    runner: async (
      instance: string,
      deps: Pick<TakeDeps, "run"> & Partial<TakeDeps>,
    ): Promise<Closable & { kill(): Promise<void> }> => {
      const bus = await join_({ zone: "runner", instance });
      const taking = takeWork({ bus, pool: "default", capabilities, slots: 4, ...deps });
      // A connection that ends without goodbye, as of a process that was killed.
      return { close: () => taking.close(), kill: () => bus.nats.close() };
    },
    stop: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      await nats.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type WorkWorld = Awaited<ReturnType<typeof startWorkWorld>>;
