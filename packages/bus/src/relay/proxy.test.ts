import { readdirSync, readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import {
  type ConnectProxy,
  type ConnectProxyOptions,
  freePort,
  leakCheck,
  startConnectProxy,
  until,
} from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { proxyRefusal, type RelayProxy } from "./proxy.ts";
import { type RelayWorld, startRelayWorld, type TestRelay, tryToReach } from "./relay.fixture.ts";

afterAll(leakCheck);

const login = "zone-paris:pass:with colon-4f1c";
const password = login.slice(login.indexOf(":") + 1);
const asBasic = Buffer.from(login).toString("base64");

let world: RelayWorld;
let relay: TestRelay;
let caFile: string;
const started: ConnectProxy[] = [];
beforeAll(async () => {
  world = await startRelayWorld();
  relay = await world.relay();
  caFile = world.authority.caFile;
});
afterEach(async () => {
  for (const one of started.splice(0)) await one.stop();
});
afterAll(() => world.close());

async function start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const proxy = await startConnectProxy(options);
  started.push(proxy);
  return proxy;
}

/** One try through this proxy. Whatever comes of it, the password is not in it. */
async function through(proxy: RelayProxy, servers: readonly string[] = [relay.tls]) {
  const outcome = await tryToReach(servers, { caFile, proxy });
  for (const said of [outcome.message, outcome.logged]) {
    expect(said).not.toContain(password);
    expect(said).not.toContain(asBasic);
  }
  return outcome;
}

describe("the way to the relay through a proxy", () => {
  it.each(["tls", "wss"] as const)("carries %s, with a login, and the log says so", async (scheme) => {
    const proxy = await start({ login });
    const reached = await through({ url: proxy.url, login: async () => login }, [relay[scheme]]);
    expect(reached).toMatchObject({ code: "reached" });
    expect(reached.logged).toContain(`"proxy":"${proxy.url}"`);
    expect(proxy.asked).toEqual([relay[scheme].slice(`${scheme}://`.length)]);
  });

  it.each(["tls", "wss"] as const)(
    "has TLS to the proxy and, inside, TLS by %s to the relay",
    async (scheme) => {
      const proxy = await start({ login, tls: await world.authority.issue(["127.0.0.1"]) });
      const ask = { url: proxy.url, login: async () => login };
      expect(await through({ ...ask, caFile }, [relay[scheme]])).toMatchObject({ code: "reached" });
      expect(await through(ask, [relay[scheme]])).toMatchObject({
        code: "denied",
        message: expect.stringContaining("nats.proxy.caFile"),
      });
    },
  );

  it("goes to the server after the one that the proxy does not let through", async () => {
    const proxy = await start({ allow: [relay.wss.slice("wss://".length)] });
    const reached = await through({ url: proxy.url }, [relay.tls, relay.wss]);
    expect(reached.code).toBe("reached");
    expect(reached.logged).toContain(`NATS is reached {"server":"${relay.wss}"`);
    expect(reached.logged).toContain("does not let this zone reach");
  });

  it("checks the relay's certificate as without a proxy", async () => {
    const proxy = await start();
    const other = await world.relay({ certificate: await world.authority.issue(["relay.example.com"]) });
    for (const server of [other.tls, other.wss]) {
      expect(await through({ url: proxy.url }, [server])).toMatchObject({
        code: "denied",
        message: expect.stringContaining("is not for localhost"),
      });
    }
  });

  it("is taken again at a reconnect, with the login as it is by then; a proxy that is away is waited for", async () => {
    const port = await freePort();
    const first = await start({ login, port });
    let current = login;
    const bus = await relay.nats.join(
      { zone: "connector", instance: "c7" },
      { servers: [relay.wss], caFile, proxy: { url: first.url, login: async () => current } },
    );
    await first.stop();
    await until("the bus noticing", () => !bus.connected(), { within: 10_000 });
    await until(
      "a try without a proxy",
      () => relay.nats.logged.includes("warn NATS is not reached this way"),
      {
        within: 10_000,
      },
    );
    current = "zone-paris:another";
    const second = await start({ login: current, port });
    await until("the bus being back", () => bus.connected(), { within: 15_000 });
    expect(second.asked).toEqual([relay.wss.slice("wss://".length)]);
    expect(second.open()).toBe(1);
  });
});

describe("a proxy that refuses", () => {
  it("says which setting is missing or wrong", async () => {
    const proxy = await start({ login });
    expect(await through({ url: proxy.url })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("wants a login (407): set nats.proxy.credentials"),
    });
    expect(await through({ url: proxy.url, login: async () => "zone-paris:wrong" })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("does not take the login in nats.proxy.credentials (407)"),
    });
  });

  it.each([
    ["no colon", "justaname"],
    ["no user", ":password"],
    ["a second header", "user:password\r\nX-Forged: yes"],
    ["nothing", ""],
  ])("is not even asked with a login that has %s", async (_what, text) => {
    const proxy = await start({ login });
    expect(await through({ url: proxy.url, login: async () => text })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("nats.proxy.credentials holds no login"),
    });
    expect(proxy.asked).toEqual([]);
  });

  it("or whose login cannot be read, is not asked without one", async () => {
    const proxy = await start();
    const unreadable = async () => {
      throw new Error("secret file /x: it has mode 0644");
    };
    expect(await through({ url: proxy.url, login: unreadable })).toMatchObject({
      code: "denied",
      message: expect.stringContaining("nats.proxy.credentials cannot be read"),
      logged: expect.stringContaining("mode 0644"),
    });
    expect(proxy.asked).toEqual([]);
  });

  it("says that the relay is not allowed, or not there", async () => {
    const proxy = await start({ allow: [] });
    expect(await through({ url: proxy.url })).toMatchObject({
      code: "denied",
      message: expect.stringMatching(/does not let this zone reach localhost:\d+ \(403\)/),
    });
    const open = await start();
    expect(await through({ url: open.url }, [`tls://localhost:${await freePort()}`])).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/cannot reach localhost|breaks off/),
    });
  });

  it("is away, silent or breaks off, and is waited for", async () => {
    const away = await through({ url: `http://127.0.0.1:${await freePort()}` });
    expect(away).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("check nats.proxy.url"),
    });
    const rude = await world.server((socket) => socket.once("data", () => socket.destroy()));
    expect(await through({ url: `http://127.0.0.1:${rude}` })).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("breaks off"),
    });
    const silent = await world.server(() => undefined);
    expect(await through({ url: `http://127.0.0.1:${silent}` })).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("does not answer CONNECT in time"),
    });
  }, 30_000);
});

describe("a hostile proxy", () => {
  /** What it does with a CONNECT, given the bytes that it heard. */
  async function answering(answer: (socket: Socket, heard: Buffer) => void): Promise<RelayProxy> {
    const port = await world.server((socket) =>
      socket.once("data", (heard: Buffer) => answer(socket, heard)),
    );
    return { url: `http://127.0.0.1:${port}`, login: async () => login };
  }

  it("that sends back what it was sent, the login too, makes nobody repeat it", async () => {
    const echo = await answering((socket, heard) => socket.end(heard));
    expect(await through(echo)).toMatchObject({
      code: "denied",
      message: expect.stringContaining("is no HTTP proxy"),
    });
    const inHead = await answering((socket, heard) =>
      socket.end(
        `HTTP/1.1 407 ${heard.toString("base64")}\r\nproxy-authenticate: ${asBasic} ${password}\r\n\r\n`,
      ),
    );
    expect(await through(inHead)).toMatchObject({ code: "denied" });
  });

  it("that answers garbage is refused", async () => {
    for (const garbage of [
      "\0\u0001\u0002 nonsense\r\n\r\n",
      "SSH-2.0-OpenSSH_9.2\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
    ]) {
      expect(await through(await answering((socket) => socket.write(garbage)))).toMatchObject({
        code: "denied",
        message: expect.stringContaining("is no HTTP proxy"),
      });
    }
  });

  it("whose answer's head does not end is refused, whatever it is made of", async () => {
    const endless = (begin: string, piece: string) =>
      answering((socket) => {
        socket.write(begin);
        const more = () => {
          while (!socket.destroyed && socket.write(piece.repeat(100)));
        };
        socket.on("drain", more);
        more();
      });
    for (const proxy of [
      await endless("HTTP/1.1 200 OK\r\n", "x-more: yes\r\n"),
      await endless("HTTP/1.1 200 ", "x"),
    ]) {
      expect(await through(proxy)).toMatchObject({
        code: "denied",
        message: expect.stringContaining("is no HTTP proxy"),
      });
    }
  });

  it("that says yes and then is no relay reads nothing: TLS or nothing goes through it", async () => {
    const heard: Buffer[] = [];
    const liar = await answering((socket) => {
      socket.on("data", (bytes) => heard.push(bytes as Buffer));
      socket.write('HTTP/1.1 200 OK\r\n\r\nINFO {"tls_required":false,"nonce":"x"}\r\n');
    });
    expect(await through(liar)).toMatchObject({
      code: "denied",
      message: expect.stringContaining("does not offer TLS"),
    });
    expect(Buffer.concat(heard).toString()).toBe("");
    expect(await through(liar, [relay.wss])).toMatchObject({ code: "denied" });
    expect(Buffer.concat(heard).toString("latin1")).not.toMatch(/CONNECT|GET/);
  });

  it("that answers in a way nobody expects is refused by its status", async () => {
    const names = { proxyName: "the proxy http://p:1", target: "r:1", sentLogin: true };
    const told = (status: number, schemes: string[] = []) => proxyRefusal(status, { ...names, schemes });
    expect(told(407, ["negotiate", "ntlm"]).message).toContain("negotiate or ntlm (407)");
    expect(told(407, ["basic"]).message).toContain("nats.proxy.credentials");
    expect([100, 301, 400, 404, 405].map((status) => told(status).code)).toEqual(Array(5).fill("denied"));
    expect([429, 500, 502, 503, 504].map((status) => told(status).code)).toEqual(
      Array(5).fill("unavailable"),
    );
    const gateway = await answering((socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    expect(await through(gateway)).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/cannot reach localhost:\d+ \(502\)/),
    });
    const informing = await answering((socket) => socket.write("HTTP/1.1 100 Continue\r\n\r\n"));
    expect(await through(informing)).toMatchObject({
      code: "denied",
      message: expect.stringContaining("(100)"),
    });
  });
});

it("whatever becomes of a try, no socket of it is left", async () => {
  const proxy = await start({ login, tls: await world.authority.issue(["127.0.0.1"]) });
  const misnamed = await world.relay({ certificate: await world.authority.issue(["relay.example.com"]) });
  const good = { url: proxy.url, caFile, login: async () => login };
  const wrong = { ...good, login: async () => "zone-paris:wrong" };
  // Who refuses and keeps the connection, as nobody above does.
  const holding = await world.server((socket) =>
    socket.once("data", () => socket.write("HTTP/1.1 403 No\r\n\r\n")),
  );
  const clear = await world.server((socket) => socket.write("INFO {}\r\n"));
  const tries = async () => {
    expect(await through({ url: `http://127.0.0.1:${holding}` })).toMatchObject({ code: "denied" });
    expect(await tryToReach([`tls://localhost:${clear}`], { caFile })).toMatchObject({ code: "denied" });
    for (const server of [misnamed.tls, misnamed.wss]) {
      expect(await through(good, [server])).toMatchObject({ code: "denied" });
      expect(await tryToReach([server], { caFile })).toMatchObject({ code: "denied" });
    }
    expect(await through(wrong)).toMatchObject({ code: "denied" });
    expect(await through(good, [`${relay.tls.replace("tls:", "wss:")}`])).toMatchObject({ code: "denied" });
    for (const server of [relay.tls, relay.wss])
      expect(await through(good, [server])).toMatchObject({ code: "reached" });
  };
  await tries();
  const before = openSockets();
  await tries();
  await tries();
  await until("as many as before", () => openSockets() <= before, { within: 5_000 });
}, 30_000);

function openSockets(): number {
  const open = readdirSync("/proc/self/fd").map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return ""; // that of the listing itself
    }
  });
  return open.filter((link) => link.startsWith("socket:")).length;
}
