import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, parseCreds } from "@nats-io/jwt";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { freePort, type NatsServer, startNats, until } from "@sallyport/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectRelayAdmin, type RelayAdmin } from "./relay-admin.ts";
import { accountsConfig, serverConfig } from "./server-config.ts";
import { createTrust, issueUser, type Trust } from "./trust.ts";
import { loadTrust, storeDocuments, storeTrust } from "./trust-files.ts";

let folder: string;
let trust: Trust;
const stops: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "infra-nats-push-"));
  trust = await createTrust({ name: "t", tenants: ["acme", "other"] });
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await rm(folder, { recursive: true, force: true });
});

/** With the accounts as they are now, in a file of its own as an installation has it. */
async function start(name = "one", more = ""): Promise<NatsServer> {
  const dir = join(folder, name);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "accounts.conf"), accountsConfig(trust));
  const jetstream = { dir: join(dir, "js"), syncAlways: false, maxBytes: 2 ** 20 };
  const resolver = { dir: join(dir, "accounts") };
  const config = `${serverConfig(trust, { jetstream, resolver, accountsFile: "accounts.conf" })}\n${more}`;
  const server = await startNats({ dir, jetstream: false, config });
  stops.push(server.stop);
  return server;
}

async function admin(...servers: NatsServer[]): Promise<RelayAdmin> {
  const creds = await trust.issueRelayOperator();
  const one = await connectRelayAdmin({ servers: servers.map(({ url }) => url), creds });
  stops.push(one.close);
  return one;
}

async function joinAs(server: NatsServer, creds: Uint8Array): Promise<NatsConnection> {
  const nats = await connect({
    servers: server.url,
    authenticator: credsAuthenticator(creds),
    name: "a connector",
    maxReconnectAttempts: 1,
    reconnectTimeWait: 10,
  });
  stops.push(() => nats.close());
  return nats;
}

const connector = (tenant: string) => issueUser(trust, { zone: "connector", instance: "paris" }, tenant);
const keyOf = async (creds: Uint8Array) => decode((await parseCreds(creds)).jwt).sub;
const jwtOf = (tenant: string) => trust.documents.accounts[tenant]?.jwt ?? "";
const idOf = (tenant: string) => trust.documents.accounts[tenant]?.id ?? "";

test("a revoked user is off a running server, cannot come back, and nobody else notices", async () => {
  const server = await start();
  const relay = await admin(server);
  const creds = await connector("acme");
  const taken = await joinAs(server, creds);
  const others = [
    await joinAs(server, await connector("acme")),
    await joinAs(server, await connector("other")),
  ];
  const key = await keyOf(creds);
  const seen = await relay.connected(idOf("acme"));
  expect(seen).toHaveLength(2);
  expect(seen).toContainEqual({ publicKey: key, server: expect.any(String), name: "a connector" });

  await trust.revoke("acme", key, new Date());
  expect(await relay.push(jwtOf("acme"))).toEqual([{ server: expect.any(String), problem: undefined }]);
  await until("the revoked user is off", async () => taken.isClosed(), { within: 5_000 });
  await expect(joinAs(server, creds)).rejects.toThrow(/[Aa]uthorization/);
  expect((await relay.connected(idOf("acme"))).map(({ publicKey }) => publicKey)).not.toContain(key);
  for (const one of others) {
    expect(one.isClosed()).toBe(false);
    await one.flush();
  }
});

test("a revocation outlives a restart, a later push, and a server that begins with nothing", async () => {
  const server = await start();
  const creds = await connector("acme");
  const first = await admin(server);
  await trust.revoke("acme", await keyOf(creds), new Date());
  await first.push(jwtOf("acme"));

  // The accounts.conf that it starts with is of before the revocation.
  await server.restart();
  await expect(joinAs(server, creds)).rejects.toThrow(/[Aa]uthorization/);

  const second = await connector("acme");
  await trust.revoke("acme", await keyOf(second), new Date());
  const relay = await admin(server);
  await relay.push(jwtOf("acme"));
  for (const one of [creds, second]) await expect(joinAs(server, one)).rejects.toThrow(/[Aa]uthorization/);

  const fresh = await start("two");
  for (const one of [creds, second]) await expect(joinAs(fresh, one)).rejects.toThrow(/[Aa]uthorization/);
  await (await joinAs(fresh, await connector("acme"))).flush();
});

test("in a cluster every server takes it", async () => {
  const ports = [await freePort(), await freePort()];
  const text = (own: number, others: number) =>
    `server_name: s${own}\ncluster { name: c, listen: "127.0.0.1:${ports[own]}", routes: ["nats://127.0.0.1:${ports[others]}"] }`;
  const servers = [await start("s0", text(0, 1)), await start("s1", text(1, 0))] as const;
  const relay = await until(
    "the servers know each other",
    async () => {
      const one = await admin(servers[0]);
      return (await one.push(jwtOf("other"))).length === 2 && one;
    },
    { within: 10_000 },
  );
  const creds = await connector("acme");
  const taken = [await joinAs(servers[0], creds), await joinAs(servers[1], creds)];
  await trust.revoke("acme", await keyOf(creds), new Date());
  const said = await relay.push(jwtOf("acme"));
  expect(said.map(({ server }) => server).sort()).toEqual(["s0", "s1"]);
  expect(said.filter(({ problem }) => problem !== undefined)).toEqual([]);
  for (const one of taken) await until("off both servers", async () => one.isClosed(), { within: 5_000 });
  for (const one of servers) await expect(joinAs(one, creds)).rejects.toThrow(/[Aa]uthorization/);
}, 40_000);

test("an account that another operator signed opens nothing, though a server keeps what it is handed", async () => {
  const server = await start();
  const relay = await admin(server);
  const foreign = await createTrust({ name: "f", tenants: ["acme"] });
  await relay.push(foreign.documents.accounts.acme?.jwt ?? "");
  const creds = await issueUser(foreign, { zone: "connector", instance: "paris" });
  await expect(joinAs(server, creds)).rejects.toThrow(/[Aa]uthorization/);
  const [said] = await relay.push("no JWT");
  expect(said?.problem).toMatch(/\S/);
});

test("the relay's operator hears and says nothing in a tenant, nor any event of the relay", async () => {
  const server = await start();
  const nats = await connect({
    servers: server.url,
    authenticator: credsAuthenticator(await trust.issueRelayOperator()),
    inboxPrefix: "_INBOX.relay-operator",
    reconnect: false,
  });
  stops.push(() => nats.close());
  for (const subject of ["$SYS.>", "$SYS.ACCOUNT.*.CONNECT", ">", "_INBOX.>"]) {
    const refused = Promise.withResolvers<Error | null>();
    nats.subscribe(subject, { callback: (error) => refused.resolve(error) });
    expect(String(await refused.promise), subject).toMatch(/[Pp]ermission/);
  }
  await expect(nats.request("$SYS.REQ.CLAIMS.DELETE", "", { timeout: 1_000 })).rejects.toThrow(
    /[Pp]ermission/,
  );
});

test("what was revoked is in the stored trust, and a tenant's seed belongs to its account", async () => {
  const stored = join(folder, "trust");
  await storeTrust(trust, stored);
  const key = await keyOf(await connector("other"));
  await trust.revoke("other", key, new Date(5_000));
  await storeDocuments(trust, stored);
  const again = await loadTrust(stored);
  expect(again?.revocations("other")).toEqual({ [key]: 5 });
  expect(again?.revocations("acme")).toEqual({});
  await expect(again?.revoke("acme", "not a key", new Date())).rejects.toThrow();
  await expect(again?.addTenant("acme")).rejects.toThrow(/already/);
  await expect(again?.addTenant("a.b")).rejects.toThrow(/no tenant's name/);
  await expect(issueUser(trust, "provisioner")).rejects.toThrow(/say which tenant/);
});

test("an earlier revocation of a key is not made shorter by a later one", async () => {
  const key = await keyOf(await connector("acme"));
  await trust.revoke("acme", key, new Date(9_000));
  await trust.revoke("acme", key, new Date(5_000));
  expect(trust.revocations("acme")).toEqual({ [key]: 9 });
});
