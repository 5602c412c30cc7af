import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, type Server, startServer, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { ask, textOf, toolCall } from "./call.fixture.ts";
import { type Door, doorTo } from "./doors.fixture.ts";
import { type Namespace, namespaceProblem, openNamespace } from "./namespace.fixture.ts";
import { listeningSockets } from "./processes.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "reflector-secret-20aa";

const problem = await namespaceProblem();
if (problem !== undefined)
  console.warn(`NOT RUN: the zones behind a firewall that drops all inbound: ${problem}`);

describe.skipIf(problem !== undefined)("behind a firewall that drops every packet from outside", () => {
  let stack: Stack;
  let reflector: Reflector;
  const started: Server[] = [];
  const doors: Door[] = [];
  let net: Namespace;
  beforeAll(async () => {
    reflector = await startReflector({ token: secret });
    stack = await startTunnel({ routes: { reflector: { url: reflector.url, secret } } });
    net = await openNamespace();
  });
  afterAll(async () => {
    for (const one of started.reverse()) await one.stop();
    for (const one of doors) await one.close();
    await net?.remove();
    await stack?.stop();
    await reflector?.close();
  });

  const call = async () => {
    const to = { server: "reflector", token: await stack.token("reflector") };
    const reply = await ask(stack, to, toolCall("2025-11-25", "plain", { text: "through" }));
    return textOf(reply) || reply.text;
  };

  it("connector, broker and collector work all the same, and nobody gets in", async () => {
    const door = async (url: string) => {
      const one = await doorTo(url, net.outside);
      doors.push(one);
      return one.url;
    };
    const nats = await door(stack.nats.url.replace("nats:", "http:"));
    const vault = await door(stack.vault.url);
    const upstream = await door(reflector.url);
    const ports = [nats, vault, upstream].map((url) => Number(new URL(url).port));
    const listener = await inside(
      "listener",
      `require("net").createServer(() => {}).listen(8080, "0.0.0.0")`,
    );
    await until(
      "a listener inside being reached",
      async () => (await knocks(net.inside, 8080)) === "connected",
      {
        within: 10_000,
      },
    );
    await net.closeInbound(ports);
    expect(await knocks(net.inside, 8080)).toBe("no answer");
    await listener.stop();

    // Without TLS Vault and NATS are for loopback only, so the roads to them begin at a loopback address inside.
    await roadFromInside("vault", vault, 8200);
    await roadFromInside("nats", nats, 4222);
    const jwks = stack.material.write("jwks.json", await (await fetch(`${stack.issuerUrl}/jwks`)).text());
    const servers = ["nats://127.0.0.1:4222"];
    await moveInside("collector-collector-1", { nats: { servers } });
    // The first one was unwrapped when the broker started, and opens nothing twice.
    stack.material.write("vault/secret-id.wrapped", await wrappedSecretId());
    await moveInside("broker-broker-1", { nats: { servers }, vault: { address: "http://127.0.0.1:8200" } });
    await moveInside("connector-connector-1", {
      nats: { servers },
      tokens: { jwksUrl: undefined, jwksFile: jwks },
      servers: { reflector: { url: upstream } },
    });
    await until("a call from outside through the tunnel", async () => (await call()) === "through", {
      within: 20_000,
      every: 100,
    });
    for (const { pid } of started.slice(-3)) expect(listeningSockets(pid)).toEqual([]);
    expect(reflector.seen().recent.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
    expect(doors.map((one) => one.connections() > 0)).toEqual([true, true, true]);
  }, 90_000);

  async function wrappedSecretId(): Promise<string> {
    const answer = await fetch(`${stack.vault.url}/v1/auth/approle/role/sallyport-broker/secret-id`, {
      method: "POST",
      headers: { "x-vault-token": stack.vault.rootToken, "x-vault-wrap-ttl": "60s" },
    });
    const { wrap_info } = (await answer.json()) as { wrap_info: { token: string } };
    return wrap_info.token;
  }

  async function roadFromInside(name: string, url: string, port: number): Promise<void> {
    const to = new URL(url);
    await inside(
      `road-to-${name}`,
      `const n = require("net"); n.createServer((a) => { const b = n.connect(${to.port}, "${to.hostname}");
       a.on("error", () => b.destroy()); b.on("error", () => a.destroy()); a.pipe(b).pipe(a); }).listen(${port}, "127.0.0.1")`,
    );
  }

  async function inside(name: string, script: string): Promise<Server> {
    return await start(name, [process.execPath, "-e", script], async () => true);
  }

  /** Ends a zone out here and starts it again in there, with what is different there. */
  async function moveInside(name: string, changes: Config): Promise<void> {
    const zone = stack.zones.get(name);
    if (zone === undefined) throw new Error(`there is no zone ${name}`);
    await zone.stop();
    const file = stack.material.path(`run/${name}.yaml`);
    await writeFile(file, stringify(merged(parse(await readFile(file, "utf8")) as Config, changes)), {
      mode: 0o600,
    });
    const main = new URL(`../../apps/${zone.zone}/main.ts`, import.meta.url).pathname;
    const args = [process.execPath, "--disable-warning=ExperimentalWarning", main, "--config", file];
    await start(`${name}-inside`, args, async () =>
      (await zone.readiness()).text.includes("process") ? true : undefined,
    );
  }

  async function start(
    name: string,
    command: readonly string[],
    ready: () => Promise<true | undefined>,
  ): Promise<Server> {
    const [enter, ...args] = net.enter;
    const server = await startServer({
      name,
      command: enter,
      args: [...args, ...command],
      folder: stack.material.path("run"),
      temporary: false,
      readyWithin: 30_000,
      ready,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    });
    started.push(server);
    return server;
  }
});

type Config = { [key: string]: unknown };

function merged(base: Config, changes: Config): Config {
  const result = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const before = result[key];
    result[key] = isConfig(before) && isConfig(value) ? merged(before, value) : value;
  }
  return result;
}

function isConfig(value: unknown): value is Config {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function knocks(host: string, port: number): Promise<"connected" | "refused" | "no answer"> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (what: "connected" | "refused" | "no answer") => {
      socket.destroy();
      resolve(what);
    };
    socket.setTimeout(1_500, () => answer("no answer"));
    socket.on("connect", () => answer("connected"));
    socket.on("error", () => answer("refused"));
  });
}
