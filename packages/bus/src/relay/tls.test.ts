import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, leakCheck, makeCertificateAuthority, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connector, startTestNats } from "../bus.fixture.ts";
import { type RelayWorld, startRelayWorld, type TestRelay, tryToReach } from "./relay.fixture.ts";

afterAll(leakCheck);

const run = promisify(execFile);
let world: RelayWorld;
let relay: TestRelay;
let caFile: string;
beforeAll(async () => {
  world = await startRelayWorld();
  relay = await world.relay();
  caFile = world.authority.caFile;
});
afterAll(() => world.close());

describe("a relay behind TLS", () => {
  it("is reached where the pinned authority vouches for it, by tls:// and by wss://", async () => {
    for (const server of [relay.tls, relay.wss]) {
      const reached = await tryToReach([server], { caFile });
      expect(reached).toMatchObject({ code: "reached" });
      expect(reached.logged).toContain(`NATS is reached {"server":"${server}"`);
    }
  });

  it("is reached by its address where that stands in the certificate", async () => {
    const certificate = await world.authority.issue(["127.0.0.1"]);
    const byAddress = await world.relay({ certificate });
    for (const server of [byAddress.tls, byAddress.wss]) {
      const url = server.replace("localhost", "127.0.0.1");
      expect(await tryToReach([url], { caFile })).toMatchObject({ code: "reached" });
      expect(await tryToReach([server], { caFile })).toMatchObject({ code: "denied" });
    }
  });

  it("is reached with TLS before anything else, where it has handshake_first", async () => {
    const first = await world.relay({ tls: ", handshake_first: true" });
    expect(await tryToReach([first.tls], { caFile, tlsFirst: true })).toMatchObject({ code: "reached" });
    expect(await tryToReach([first.tls], { caFile })).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("nats.tlsFirst"),
    });
  });

  it("is known with the end of its certificate, on each road; none in clear", async () => {
    const certificate = await world.authority.issue(["localhost"]);
    const until = new X509Certificate(await readFile(certificate.certFile)).validToDate;
    const first = await world.relay({ certificate, tls: ", handshake_first: true" });
    const late = await world.relay({ certificate });
    for (const [server, tlsFirst] of [
      [late.tls, false],
      [late.wss, false],
      [first.tls, true],
    ] as const) {
      const bus = await late.nats.join(connector, { servers: [server], caFile, tlsFirst });
      expect(bus.relay()).toEqual({ server, certificateUntil: until });
    }
    const clear = await startTestNats();
    const bus = await clear.join(connector);
    expect(bus.relay()).toEqual({ server: clear.server.url, certificateUntil: undefined });
    await clear.stop();
  });

  it.each(["tls", "wss"] as const)(
    "is refused by %s with another authority, and without one",
    async (scheme) => {
      const other = await makeCertificateAuthority(join(world.folder, "other"));
      expect(await tryToReach([relay[scheme]], { caFile: other.caFile })).toMatchObject({
        code: "denied",
        message: expect.stringContaining("is not signed by the authority in nats.caFile"),
      });
      expect(await tryToReach([relay[scheme]])).toMatchObject({
        code: "denied",
        message: expect.stringContaining("set nats.caFile"),
      });
    },
  );

  it.each(["tls", "wss"] as const)(
    "is refused by %s when its certificate is for another name",
    async (scheme) => {
      const certificate = await world.authority.issue(["relay.example.com"]);
      const named = await world.relay({ certificate });
      expect(await tryToReach([named[scheme]], { caFile })).toMatchObject({
        code: "denied",
        message: expect.stringContaining("is not for localhost"),
      });
    },
  );

  it.each(["tls", "wss"] as const)("is refused by %s when its certificate has expired", async (scheme) => {
    const certificate = await world.authority.issue(["localhost"], { days: -1 });
    const expired = await world.relay({ certificate });
    expect(await tryToReach([expired[scheme]], { caFile })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("has expired"),
    });
  });

  it("is refused when nats.caFile is not there, or holds no certificate", async () => {
    const missing = await tryToReach([relay.tls], { caFile: join(world.folder, "none.pem") });
    expect(missing).toMatchObject({
      code: "denied",
      message: expect.stringContaining("nats.caFile cannot be read"),
    });
    const empty = await tryToReach([relay.tls], { caFile: await world.write("empty.pem", "\n") });
    expect(empty).toMatchObject({ code: "denied", message: expect.stringContaining("no PEM certificate") });
  });

  it("is refused with a pinned authority though the system trusts the one that signed it", async () => {
    // NODE_EXTRA_CA_CERTS is how a process gets one more authority of the system: the control shows that it counts.
    const other = await makeCertificateAuthority(join(world.folder, "pinned"));
    const script = `
      import { tryToReach } from ${JSON.stringify(join(import.meta.dirname, "relay.fixture.ts"))};
      const [server, caFile] = process.argv.slice(1);
      console.log(JSON.stringify(await tryToReach([server], caFile === undefined ? {} : { caFile })));`;
    const ask = async (...args: string[]) => {
      const node = ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "-e", script];
      const env = { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: caFile };
      const { stdout } = await run(process.execPath, [...node, ...args], { env });
      return JSON.parse(stdout) as { code: string };
    };
    expect(await ask(relay.tls)).toMatchObject({ code: "reached" });
    expect(await ask(relay.tls, other.caFile)).toMatchObject({ code: "denied" });
    expect(await ask(relay.wss, other.caFile)).toMatchObject({ code: "denied" });
  });

  it("is alone: another address that it names for its clients is not followed", async () => {
    const asked: string[] = [];
    const elsewhere = await world.server((socket) => {
      asked.push("asked");
      socket.destroy();
    });
    const routes = await freePort();
    const own = await world.relay({ config: `cluster { name: "c", listen: "127.0.0.1:${routes}" }` });
    const joined = `cluster { name: "c", listen: "127.0.0.1:-1", routes: ["nats://127.0.0.1:${routes}"] }`;
    await world.relay({ config: `${joined}\nclient_advertise: "127.0.0.1:${elsewhere}"` });
    const bus = await own.nats.join({ zone: "connector", instance: "c9" }, { servers: [own.tls], caFile });
    const named = () => bus.nats.info?.connect_urls?.includes(`127.0.0.1:${elsewhere}`) === true;
    await until("the relay naming the other", named, { within: 10_000 });
    await own.nats.server.kill();
    await until("a try that fails", () => own.nats.logged.includes("warn NATS is not reached this way"), {
      within: 10_000,
    });
    await own.nats.server.restart();
    // Were the named one in the list it would have had its turn between two tries of the first.
    await until("the relay again", () => bus.connected(), { within: 10_000 });
    expect(asked).toEqual([]);
  });

  it("is not spoken to in clear where tls:// is not written", async () => {
    const clear = relay.tls.replace("tls:", "nats:");
    expect(await tryToReach([clear])).toMatchObject({
      code: "denied",
      message: expect.stringContaining("wants TLS: write tls://"),
    });
    expect(await tryToReach(["nats://relay.example.com:4222"])).toMatchObject({
      code: "denied",
      message: expect.stringContaining("without TLS"),
    });
  });
});

describe("somebody between a zone and its relay", () => {
  /** Passes everything on, but for what the relay says first. */
  async function between(
    rewrite: (info: Record<string, unknown>) => string,
    heard: Buffer[],
  ): Promise<string> {
    const port = await world.server((client) => {
      const upstream: Socket = connect(relay.nats.server.port, "127.0.0.1");
      let greeted = false;
      upstream.on("data", (bytes: Buffer) => {
        if (greeted) return void client.write(bytes);
        greeted = true;
        const line = bytes.toString("utf8");
        client.write(rewrite(JSON.parse(line.slice(5)) as Record<string, unknown>));
      });
      client.on("data", (bytes: Buffer) => {
        heard.push(bytes);
        upstream.write(bytes);
      });
      client.on("close", () => upstream.destroy());
      upstream.on("error", () => client.destroy());
      upstream.on("close", () => client.destroy());
    });
    return `tls://localhost:${port}`;
  }
  const info = (of: object) => `INFO ${JSON.stringify(of)}\r\n`;

  it("who passes on what the relay says gets nowhere, and hinders nobody", async () => {
    const heard: Buffer[] = [];
    expect(await tryToReach([await between(info, heard)], { caFile })).toMatchObject({ code: "reached" });
    expect(Buffer.concat(heard).includes("CONNECT")).toBe(false);
  });

  it.each([
    ["says that TLS is not wanted", { tls_required: false, tls_available: false, tls_verify: false }],
    ["says nothing of TLS", { tls_required: undefined, tls_available: undefined }],
    ["says it in another type", { tls_required: "true" }],
  ])("and %s hears nothing", async (_what, change) => {
    const heard: Buffer[] = [];
    const server = await between((real) => info({ ...real, ...change }), heard);
    for (const road of [{ caFile }, {}]) {
      expect(await tryToReach([server], road)).toMatchObject({
        code: "denied",
        message: expect.stringContaining("does not offer TLS"),
      });
    }
    expect(Buffer.concat(heard).toString()).toBe("");
  });

  it("and says more in clear, to be taken for what the relay says inside TLS, hears nothing", async () => {
    const heard: Buffer[] = [];
    const server = await between((real) => `${info(real)}PING\r\n`, heard);
    expect(await tryToReach([server], { caFile })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("speaks in clear where TLS has to begin"),
    });
    expect(Buffer.concat(heard).toString()).toBe("");
  });

  it.each([
    ["never ends its greeting", `INFO {"a":"${"x".repeat(70_000)}`],
    ["speaks another protocol", "220 mail.example.com ESMTP\r\n"],
    ["sends what is no JSON", "INFO {nonsense}\r\n"],
  ])("and %s is refused", async (_what, greeting) => {
    const port = await world.server((socket) => socket.write(greeting));
    expect(await tryToReach([`tls://localhost:${port}`], { caFile })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("does not speak NATS"),
    });
  });

  it("and says nothing, or hangs up, is waited for as somebody who is away", async () => {
    const silent = await world.server(() => undefined);
    const rude = await world.server((socket) => socket.destroy());
    expect(await tryToReach([`tls://localhost:${silent}`], { caFile })).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("says nothing"),
    });
    expect(await tryToReach([`tls://localhost:${rude}`], { caFile })).toMatchObject({ code: "unavailable" });
    expect(await tryToReach([`wss://localhost:${silent}`], { caFile })).toMatchObject({
      code: "unavailable",
    });
  });
});

it("the pinned authority is read again for each connection", async () => {
  const file = await world.write("rotated.pem", await readFile(caFile, "utf8"));
  expect(await tryToReach([relay.tls], { caFile: file })).toMatchObject({ code: "reached" });
  const other = await makeCertificateAuthority(join(world.folder, "next"));
  await world.write("rotated.pem", await readFile(other.caFile, "utf8"));
  expect(await tryToReach([relay.tls], { caFile: file })).toMatchObject({ code: "denied" });
});
