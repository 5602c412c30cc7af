import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connectBus, openBucket } from "@sallyport/bus";
import { leaseLedger } from "@sallyport/contracts";
import { createTrust, issueUser, provisionStreams, serverConfig, type Trust } from "@sallyport/infra-nats";
import { leakCheck, type NatsServer, startNats, until } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decideLifetime } from "./decide-lifetime.ts";
import { type EndDeps, endLease } from "./end-lease.ts";
import { type Lease, openLedger } from "./lease-ledger.ts";
import { leaseTimes } from "./lease-times.ts";

afterAll(leakCheck);
let folder: string;
let trust: Trust;
let server: NatsServer;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-end-lease-"));
  trust = await createTrust({ name: "end-lease" });
  const jetstream = { dir: join(folder, "js"), syncAlways: false, maxBytes: 64 * 2 ** 20 };
  server = await startNats({ jetstream: false, config: serverConfig(trust, { jetstream }) });
  const creds = await issueUser(trust, "provisioner");
  await provisionStreams({ servers: [server.url], creds, maxBytes: { log: 2 ** 20, bucket: 2 ** 20 } });
});
afterAll(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await server.stop();
  await rm(folder, { recursive: true });
});

const events: string[][] = [];

/** A broker as far as it ends leases, with a Vault that answers when it is told to. */
async function brokerOf(instance: string, revoke: () => Promise<void> = async () => {}): Promise<EndDeps> {
  const who = { zone: "broker", instance } as const;
  const creds = join(folder, `${instance}.creds`);
  await writeFile(creds, await issueUser(trust, who), { mode: 0o600 });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const bus: Bus = await connectBus({ servers: [server.url], who, credentials: { creds }, log });
  const ledger = await openLedger(await openBucket(bus, leaseLedger));
  stops.push(() => bus.close());
  return {
    ledger,
    record: async ({ event, reason = "" }) => {
      events.push([event, reason]);
    },
    vaultLeases: { revoke, renew: async () => "renewed" },
    ...{ tenant: "acme", now: () => new Date(), log },
  };
}

test("a lease that brokers end together has one end in the record, with the reason that was first", async () => {
  const answer = Promise.withResolvers<void>();
  const slow = await brokerOf("b1", () => answer.promise);
  const quick = await brokerOf("b2");
  const now = new Date();
  const lease: Lease = {
    ...{ leaseId: "l1", connector: "c1", session: "s1", server: "orders", credential: "orders-db" },
    ...{ agent: "billing-bot", vaultLease: "database/creds/orders/x", issuedAt: now.toISOString() },
    expiresAt: new Date(+now + 60_000).toISOString(),
  };
  await slow.ledger.add(lease);
  const released = { event: "released", because: "its session has ended" } as const;
  const ending = endLease(lease, released, slow);

  const there = () => quick.ledger.all().find(({ leaseId }) => leaseId === lease.leaseId);
  await until("the other broker knowing that it ends", () => there()?.ending !== undefined, {
    within: 5_000,
  });
  const found = there() as Lease;
  const situation = { now: new Date(), hearingSince: now, times: leaseTimes, revoked: undefined };
  expect(decideLifetime(found, situation)).toEqual({ do: "end", ...released });
  await endLease(found, { event: "expired", because: "its time is over" }, quick);
  answer.resolve();
  await ending;
  expect(events).toEqual([["released", "its session has ended"]]);
  expect(there()).toBeUndefined();
});
