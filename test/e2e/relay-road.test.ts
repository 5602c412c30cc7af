import { execFile } from "node:child_process";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import {
  type CertificateAuthority,
  type ConnectProxy,
  freePort,
  leakCheck,
  makeCertificateAuthority,
  type Server,
  startConnectProxy,
  startServer,
  until,
} from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { ask, textOf, toolCall } from "./call.fixture.ts";
import { type Door, doorTo } from "./doors.fixture.ts";
import { namespaceProblem, openNamespace } from "./namespace.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const run = promisify(execFile);
const secret = "reflector-secret-61ce";
const login = "paris:proxy-password-77d0";
const main = new URL("../../apps/connector/main.ts", import.meta.url).pathname;

const problem = await namespaceProblem();
if (problem !== undefined) console.warn(`NOT RUN: a connector that reaches nothing but a proxy: ${problem}`);

type Config = { nats: object; [key: string]: unknown };

let stack: Stack;
let reflector: Reflector;
let authority: CertificateAuthority;
let proxy: ConnectProxy;
let webSocket: string;
let proxied: object;
/** The connector's settings before any test. */
let asMade: Config;
beforeAll(async () => {
  reflector = await startReflector({ token: secret });
  stack = await startTunnel({ routes: { reflector: { url: reflector.url, secret } } });
  authority = await makeCertificateAuthority(stack.material.path("authority"));
  webSocket = `localhost:${await freePort()}`;
  const { certFile, keyFile } = await authority.issue(["localhost"]);
  const tls = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`;
  const listener = `\nwebsocket { listen: "${webSocket.replace("localhost", "127.0.0.1")}", ${tls} }\n`;
  await appendFile(stack.material.path("nats/nats-server.conf"), listener);
  await stack.nats.restart();
  proxy = await startConnectProxy({ login, allow: [webSocket] });
  asMade = parse(await readFile(connector().configFile, "utf8")) as Config;
  proxied = { url: proxy.url, credentials: stack.material.write("run/proxy-login", `${login}\n`) };
});
afterAll(async () => {
  await stack?.stop();
  await proxy?.stop();
  await reflector?.close();
});

const connector = () => {
  const zone = stack.zones.get("connector-connector-1");
  if (zone === undefined) throw new Error("there is no connector");
  return zone;
};

/** Writes the connector's settings again with these of NATS, its creds as they are. */
async function configured(nats: object, more: object = {}): Promise<string> {
  const file = connector().configFile;
  const { creds } = asMade.nats as { creds: string };
  await writeFile(file, stringify({ ...asMade, ...more, nats: { creds, ...nats } }), { mode: 0o600 });
  return file;
}

const call = async () => {
  const to = { server: "reflector", token: await stack.token("reflector") };
  const reply = await ask(stack, to, toolCall("2025-11-25", "plain", { text: "through" }));
  return textOf(reply) || (reply.message.error?.data?.sallyport?.code ?? reply.text);
};
const passes = () =>
  until("a call", async () => (await call()) === "through", { within: 20_000, every: 100 });

/** A connector that is to fail at its start: what it says, and with which code. */
async function refusal(nats: object): Promise<{ code: number; said: string }> {
  const file = await configured(nats);
  const node = ["--disable-warning=ExperimentalWarning", main, "--config", file];
  const failed = await run(process.execPath, node, { env: { PATH: process.env.PATH } }).then(
    () => ({ code: 0, stderr: "it started" }),
    (error: { code: number; stderr: string }) => error,
  );
  return { code: failed.code, said: failed.stderr };
}

describe("a connector whose way to the relay is a WebSocket through a proxy with a login", () => {
  it("carries a call; without the proxy it waits, and with it again it carries the next", async () => {
    await configured({ servers: [`wss://${webSocket}`], caFile: authority.caFile, proxy: proxied });
    await connector().restart();
    await passes();
    expect(proxy.asked.at(-1)).toBe(webSocket);
    expect(proxy.open()).toBe(1);
    expect(reflector.seen().recent.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);

    const { port } = proxy;
    await proxy.stop();
    await until("calls failing", async () => (await call()) === "unavailable", {
      within: 20_000,
      every: 100,
    });
    const { ready, text } = await connector().readiness();
    expect({ ready, text }).toMatchObject({ ready: false, text: expect.stringContaining("NATS is away") });
    proxy = await startConnectProxy({ login, allow: [webSocket], port });
    await passes();

    const log = await readFile(connector().logFile, "utf8");
    expect(log).toContain(`"server":"wss://${webSocket}"`);
    expect(log).toContain("check nats.proxy.url");
    expect(log).not.toContain("proxy-password-77d0");
    expect(log).not.toContain(Buffer.from(login).toString("base64"));
  }, 90_000);

  it("does not start where somebody has to mend something first, and says which setting", async () => {
    await connector().stop();
    const servers = [`wss://${webSocket}`];
    const { caFile } = authority;
    const other = await makeCertificateAuthority(stack.material.path("other"));
    const wrong = {
      ...proxied,
      credentials: stack.material.write("run/wrong-login", "paris:wrong-password"),
    };
    for (const [nats, code, said] of [
      [{ servers, caFile: other.caFile, proxy: proxied }, 1, "nats.caFile"],
      [{ servers, caFile, proxy: { url: proxy.url } }, 1, "set nats.proxy.credentials"],
      [{ servers, caFile, proxy: wrong }, 1, "does not take the login in nats.proxy.credentials"],
      [
        { servers: ["tls://localhost:4222"], caFile, proxy: proxied },
        1,
        "does not let this zone reach localhost:4222",
      ],
      [{ servers: ["nats://relay.example.com:4222"] }, 78, "without TLS"],
    ] as const) {
      const refused = await refusal(nats);
      expect(refused).toMatchObject({ code, said: expect.stringContaining(said) });
      expect(refused.said).not.toMatch(/proxy-password|wrong-password|\n\s+at /);
    }
  }, 90_000);

  it.skipIf(problem !== undefined)(
    "needs no other way: it can reach nothing else",
    async () => {
      await connector().stop();
      const net = await openNamespace();
      const doors: Door[] = [];
      let inside: Server | undefined;
      const door = async (url: string) => {
        const one = await doorTo(url, net.outside);
        doors.push(one);
        return one.url;
      };
      try {
        const [toProxy, toUpstream] = [await door(proxy.url), await door(reflector.url)];
        await net.closeInbound([toProxy, toUpstream].map((url) => Number(new URL(url).port)));
        const jwksFile = stack.material.write(
          "jwks.json",
          await (await fetch(`${stack.issuerUrl}/jwks`)).text(),
        );
        const { tokens, servers } = asMade as Record<string, Config>;
        const config = await configured(
          {
            servers: [`wss://${webSocket}`],
            caFile: authority.caFile,
            proxy: { ...proxied, url: new URL(toProxy).origin },
          },
          {
            tokens: { ...tokens, jwksUrl: undefined, jwksFile },
            servers: { reflector: { ...(servers?.reflector as object), url: toUpstream } },
          },
        );
        const [enter, ...args] = net.enter;
        const zone = connector();
        inside = await startServer({
          name: "connector-inside",
          command: enter,
          args: [
            ...args,
            process.execPath,
            "--disable-warning=ExperimentalWarning",
            main,
            "--config",
            config,
          ],
          folder: stack.material.path("run"),
          temporary: false,
          readyWithin: 30_000,
          ready: async () => ((await zone.readiness()).ready ? true : undefined),
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        });
        await passes();
        expect(doors.map((one) => one.connections() > 0)).toEqual([true, true]);
      } finally {
        await inside?.stop();
        for (const one of doors) await one.close();
        await net.remove();
      }
    },
    90_000,
  );
});
