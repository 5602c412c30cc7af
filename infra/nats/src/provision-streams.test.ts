import { type AddressInfo, createServer } from "node:net";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { type Contract, workQueue, type ZoneInstance } from "@sallyport/contracts";
import { type NatsServer, startNats } from "@sallyport/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inboxOf } from "./permissions.ts";
import { type ProvisionOptions, provisionStreams } from "./provision-streams.ts";
import { provisionerInbox } from "./provisioner.ts";
import { serverConfig } from "./server-config.ts";
import { createTrust, issueUser, type Trust } from "./trust.ts";

let trust: Trust;
let server: NatsServer;
const connections: NatsConnection[] = [];
const kib = 1024;

beforeEach(async () => {
  trust = await createTrust({ name: "t" });
  const store = { dir: "jetstream", syncAlways: true, maxBytes: 64 * kib * kib };
  server = await startNats({ jetstream: false, config: serverConfig(trust, { jetstream: store }) });
});
afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close();
  await server.stop();
});

async function provision(maxBytes: ProvisionOptions["maxBytes"]) {
  return provisionStreams({ servers: [server.url], creds: await issueUser(trust, "provisioner"), maxBytes });
}

async function connectAs(who: ZoneInstance | "provisioner"): Promise<NatsConnection> {
  const connection = await connect({
    servers: server.url,
    authenticator: credsAuthenticator(await issueUser(trust, who)),
    inboxPrefix: who === "provisioner" ? provisionerInbox : inboxOf(who),
  });
  connections.push(connection);
  return connection;
}

const outcomes = (done: Awaited<ReturnType<typeof provision>>) => new Set(done.map(({ outcome }) => outcome));

test("it makes every stream once; a second run finds all as wanted", async () => {
  const size = { log: 1024 * kib, bucket: 1024 * kib };
  const first = await provision(size);
  expect(first.map(({ stream }) => stream).sort()).toEqual([
    "AUDIT",
    "KV_environment_keys",
    "KV_leases",
    "KV_revocations",
    "KV_work",
    "WORK",
  ]);
  expect(outcomes(first)).toEqual(new Set(["created"]));
  expect(outcomes(await provision(size))).toEqual(new Set(["as wanted"]));
});

test("a queue gives an entry to one runner at a time, and forgets it when it is acknowledged", async () => {
  await provision({ log: 1024 * kib, bucket: 1024 * kib });
  const edge = jetstream(await connectAs({ zone: "edge", instance: "e1" }));
  await edge.publish("work.v1.queue.default.e1", "work_1");
  const runner = await connectAs({ zone: "runner", instance: "r1" });
  const pull = { batch: 1, expires: 1_000_000_000 };
  const next = () =>
    runner.request("$JS.API.CONSUMER.MSG.NEXT.WORK.default", JSON.stringify(pull), {
      timeout: 5_000,
      noMux: true,
    });
  const entry = await next();
  expect(entry.string()).toBe("work_1");
  expect((await next()).headers?.code).toBe(408);
  runner.publish(entry.reply as string, "-NAK");
  const again = await next();
  expect(again.string()).toBe("work_1");
  await runner.request(again.reply as string, "+ACK");
  const operator = await connectAs({ zone: "operator", instance: "o1" });
  const info = await operator.request("$JS.API.CONSUMER.INFO.WORK.default");
  expect(info.json()).toMatchObject({ num_pending: 0, num_ack_pending: 0 });
  expect((await next()).headers?.code).toBe(408);
});

test("a full queue refuses the next entry and drops none", async () => {
  const small: Contract = { ...workQueue, maxMessages: 2 };
  await provisionStreams({
    servers: [server.url],
    creds: await issueUser(trust, "provisioner"),
    maxBytes: { log: 1024 * kib, bucket: 1024 * kib },
    contracts: [small],
  });
  const edge = jetstream(await connectAs({ zone: "edge", instance: "e1" }));
  for (const id of ["work_1", "work_2"]) await edge.publish("work.v1.queue.default.e1", id);
  await expect(edge.publish("work.v1.queue.default.e1", "work_3")).rejects.toThrow(/maximum messages/);
});

test("a stream may grow; a wish to shrink it is reported and not done", async () => {
  await provision({ log: 1024 * kib, bucket: 1024 * kib });
  const grown = await provision({ log: 2048 * kib, bucket: 1024 * kib });
  expect(grown.find(({ stream }) => stream === "AUDIT")).toMatchObject({ outcome: "grown" });
  const shrunk = await provision({ log: 512 * kib, bucket: 1024 * kib });
  expect(shrunk.find(({ stream }) => stream === "AUDIT")).toMatchObject({
    outcome: "differs",
    differences: ["max_bytes"],
  });
});

test("a full log refuses the next record and keeps every one that it acknowledged", async () => {
  await provision({ log: 8 * kib, bucket: 1024 * kib });
  const connector = jetstream(await connectAs({ zone: "connector", instance: "c1" }));
  const record = "x".repeat(kib);
  let stored = 0;
  const fill = async () => {
    for (; stored < 16; stored++) await connector.publish("audit.v1.connector.c1", record);
  };
  await expect(fill()).rejects.toThrow(/maximum bytes exceeded/);
  expect(stored).toBeGreaterThan(3);
  const manager = await jetstreamManager(await connectAs("provisioner"), { checkAPI: false });
  const { state } = await manager.streams.info("AUDIT");
  expect(state).toMatchObject({ messages: stored, first_seq: 1 });
});

test("a log's protection from deletion cannot be taken back, not even by the provisioner", async () => {
  await provision({ log: 1024 * kib, bucket: 1024 * kib });
  const manager = await jetstreamManager(await connectAs("provisioner"), { checkAPI: false });
  await expect(manager.streams.update("AUDIT", { deny_delete: false })).rejects.toThrow(/deny/);
  await expect(manager.streams.update("AUDIT", { deny_purge: false })).rejects.toThrow(/deny/);
});

test("what @nats-io/kv sends to get, list and watch a bucket is allowed", async () => {
  await provision({ log: 1024 * kib, bucket: 1024 * kib });
  const writer = await new Kvm(await connectAs({ zone: "broker", instance: "b1" })).open("leases");
  const reader = await new Kvm(await connectAs({ zone: "broker", instance: "b2" })).open("leases");
  await writer.put("one", "1");
  expect((await reader.get("one"))?.string()).toBe("1");
  expect((await reader.status()).values).toBe(1);
  const watch = await reader.watch();
  await writer.put("two", "2");
  const seen: string[] = [];
  for await (const entry of watch) {
    seen.push(`${entry.key}=${entry.string()}`);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual(["one=1", "two=2"]);
  await writer.purge("one");
  const keys: string[] = [];
  for await (const key of await reader.keys()) keys.push(key);
  expect(keys).toEqual(["two"]);
});

test("what is written once is read like every bucket, and kept from its writer too", async () => {
  await provision({ log: 1024 * kib, bucket: 1024 * kib });
  const writer = await new Kvm(await connectAs({ zone: "operator", instance: "o1" })).open("revocations");
  const reader = await new Kvm(await connectAs({ zone: "edge", instance: "e1" })).open("revocations");
  const revision = await writer.create("one", "1");
  await expect(writer.put("one", "2")).rejects.toThrow(/maximum messages per subject/);
  await expect(writer.create("one", "2")).rejects.toThrow(/wrong last sequence/);
  await expect(writer.update("one", "2", revision)).rejects.toThrow(/maximum messages per subject/);
  await expect(writer.delete("one")).rejects.toThrow(/maximum messages per subject/);
  await expect(writer.purge("one")).rejects.toThrow(/rollup/);
  expect((await reader.get("one"))?.string()).toBe("1");
  const keys: string[] = [];
  for await (const key of await reader.keys()) keys.push(key);
  expect(keys).toEqual(["one"]);
});

test("what an ordered push consumer sends to read a log is allowed, over more than one flow-control window", async () => {
  await provision({ log: 48 * kib * kib, bucket: 1024 * kib });
  const connector = jetstream(await connectAs({ zone: "connector", instance: "c1" }));
  const record = "x".repeat(200 * kib);
  const count = 60;
  for (let sent = 0; sent < count; sent++) await connector.publish("audit.v1.connector.c1", record);
  const collector = jetstream(await connectAs({ zone: "collector", instance: "k1" }));
  const consumer = await collector.consumers.getPushConsumer("AUDIT", {
    filter_subjects: "audit.v1.*.*",
    deliver_policy: DeliverPolicy.All,
  });
  expect((await consumer.info(true)).num_pending).toBe(count);
  let flowControls = 0;
  const messages = await consumer.consume();
  const counting = (async () => {
    for await (const status of messages.status()) if (status.type === "flow_control") flowControls++;
  })();
  let received = 0;
  for await (const message of messages) {
    expect(message.seq).toBe(++received);
    if (received === count) break;
  }
  await messages.close();
  await counting;
  expect(flowControls).toBeGreaterThan(0);
});

test("a relay at tls:// that says it has no TLS is told nothing", async () => {
  const heard: Buffer[] = [];
  const hostile = createServer((socket) => {
    socket.on("data", (chunk) => heard.push(Buffer.from(chunk)));
    socket.on("error", () => undefined);
    socket.write(
      'INFO {"server_id":"x","version":"2.15.1","proto":1,"max_payload":1048576,"nonce":"abc"}\r\n',
    );
  });
  await new Promise<void>((resolve) => hostile.listen(0, "127.0.0.1", resolve));
  const { port } = hostile.address() as AddressInfo;
  const maxBytes = { log: 1024 * kib, bucket: 1024 * kib };
  const creds = await issueUser(trust, "provisioner");
  try {
    const asked = provisionStreams({ servers: [`tls://127.0.0.1:${port}`], creds, maxBytes });
    await expect(asked).rejects.toThrow(/tls/);
    expect(Buffer.concat(heard).toString()).toBe("");
  } finally {
    await new Promise((resolve) => hostile.close(resolve));
  }
});
