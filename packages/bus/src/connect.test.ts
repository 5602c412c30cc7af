import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, connect as dial, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/nats-core";
import { freePort, leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { connector, logInto, startTestNats, type TestNats } from "./bus.fixture.ts";
import { connectBus, inboxPrefix } from "./connect.ts";

afterAll(leakCheck);
let folder: string;
const started: TestNats[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bus-"));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(config = ""): Promise<TestNats> {
  const nats = await startTestNats({ jetstream: false, config });
  started.push(nats);
  return nats;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe("connecting", () => {
  it("gives each instance an inbox of its own, and no name that widens it", () => {
    expect(inboxPrefix(connector)).toBe("_INBOX.connector.c1");
    for (const instance of ["*", ">", "a.b", ""]) {
      expect(() => inboxPrefix({ zone: "connector", instance })).toThrow();
    }
  });

  it("is unavailable where nobody answers, and says what it tried", async () => {
    const servers = [`nats://127.0.0.1:${await freePort()}`];
    const logged: string[] = [];
    const attempt = connectBus({ servers, who: connector, log: logInto(logged), patienceMs: 300 });
    await expect(attempt).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(servers[0] as string),
    });
    expect(logged).toHaveLength(1); // said once, not at each try
  });

  it("is denied with a key that the server does not know, and says what to check", async () => {
    const [known, unknown] = [nkeys.createUser(), nkeys.createUser()];
    const nats = await start(`authorization { users = [ { nkey: ${known.getPublicKey()} } ] }`);
    const nkey = join(folder, "unknown.nk");
    await writeFile(nkey, text(unknown.getSeed()));
    await expect(nats.join(connector, { credentials: { nkey } })).rejects.toMatchObject({
      code: "denied",
      message: expect.stringContaining("nats.creds"),
    });
    await expect(nats.join(connector)).rejects.toMatchObject({ code: "denied" });
  });

  it("reads its credentials again when it reconnects: a rotated file is used, a stale one is not", async () => {
    const keys = [nkeys.createUser(), nkeys.createUser()] as const;
    const users = keys.map((key) => `{ nkey: ${key.getPublicKey()} }`);
    const dir = await mkdtemp(join(tmpdir(), "bus-nats-"));
    const nkey = join(folder, "rotated.nk");
    await writeFile(nkey, `${text(keys[0].getSeed())}\n`);
    const before = await startTestNats({
      jetstream: false,
      dir,
      config: `authorization { users = [ ${users[0]} ] }`,
    });
    started.push(before);
    const bus = await before.join(connector, { credentials: { nkey } });
    // The server comes back and knows the second key only.
    await before.server.stop();
    await until("the bus noticing", () => !bus.connected(), { within: 5_000 });
    const after = await startTestNats({
      jetstream: false,
      dir,
      port: before.server.port,
      config: `authorization { users = [ ${users[1]} ] }`,
    });
    started.push(after);
    const refusals = async () => {
      const log = await readFile(join(dir, "nats-server.log"), "utf8");
      const times = log.matchAll(/ (\S+ \S+) \[ERR\].* authentication error/g);
      return [...times].map(([, time = ""]) => Date.parse(`${time.replaceAll("/", "-")}Z`));
    };
    await until("a second refusal", async () => (await refusals()).length > 1, { within: 15_000 });
    expect(bus.connected()).toBe(false);
    const [first = 0, second = 0] = await refusals();
    expect(second - first, "it is not tried several times a second").toBeGreaterThan(4_000);
    expect(before.logged.filter((line) => line.includes("refuses this user"))).toHaveLength(1);
    expect(before.logged.join()).not.toContain("reports an error");
    await writeFile(nkey, `${text(keys[1].getSeed())}\n`);
    await until("the bus coming back with the new key", () => bus.connected(), { within: 10_000 });
    await after.stop();
    started.pop();
    await rm(dir, { recursive: true, force: true });
  });

  it("closes at once, also when NATS is away", async () => {
    const nats = await start();
    const bus = await nats.join(connector);
    await nats.server.kill();
    const asked = performance.now();
    await bus.close();
    expect(performance.now() - asked).toBeLessThan(2_000);
    expect(bus.connected()).toBe(false);
  });

  it("sends what was said before it closed", async () => {
    const nats = await start();
    const [speaker, listener] = await Promise.all([
      nats.join(connector),
      nats.join({ zone: "edge", instance: "e1" }),
    ]);
    let heard = 0;
    listener.nats.subscribe("x", {
      callback: () => {
        heard += 1;
      },
    });
    await listener.nats.flush();
    for (let at = 0; at < 1000; at += 1) speaker.nats.publish("x", Buffer.alloc(1000));
    await speaker.close();
    await until("all of it", () => heard === 1000, { within: 5_000 });
  });
});

describe("a server with the authorisation bypasses of 2026", () => {
  /** A real server that says it is an old one. */
  async function old(nats: TestNats, version: () => string): Promise<Server> {
    const proxy = createServer((client) => {
      const server = dial(nats.server.port, "127.0.0.1");
      client.pipe(server);
      server.on("data", (chunk: Buffer) => {
        client.write(
          chunk.toString("latin1").replace(/"version":"[^"]*"/, `"version":"${version()}"`),
          "latin1",
        );
      });
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on("error", () => other.destroy());
        one.on("close", () => other.destroy());
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    return proxy;
  }
  const urlOf = (proxy: Server) => `nats://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  it("is refused at boot", async () => {
    const nats = await start();
    const proxy = await old(nats, () => "2.12.6");
    await expect(nats.join(connector, { servers: [urlOf(proxy)] })).rejects.toMatchObject({
      code: "denied",
      message: expect.stringMatching(/2\.12\.6 is refused/),
    });
    await new Promise((resolve) => proxy.close(resolve));
  });

  it("is refused at a reconnect, too: the bus ends rather than to speak to it", async () => {
    const nats = await start();
    let version = "2.14.0";
    const proxy = await old(nats, () => version);
    const bus = await nats.join(connector, { servers: [urlOf(proxy)] });
    expect(bus.connected()).toBe(true);
    version = "2.10.0";
    await bus.nats.reconnect();
    await until("the bus ending", () => bus.nats.isClosed(), { within: 10_000 });
    expect(bus.connected()).toBe(false);
    expect(nats.logged.join()).toMatch(/2\.10\.0 is refused/);
    await new Promise((resolve) => proxy.close(resolve));
  });
});
