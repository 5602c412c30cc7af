import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { provisionStreams } from "@sallyport/infra-nats";
import { type ConnectProxy, leakCheck, startConnectProxy } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type InstalledRelay, startInstalledRelay } from "../installation/relay.fixture.ts";
import { runHere as sallyport } from "../stack.fixture.ts";

// Where the relay is reached by WebSocket through an HTTP proxy with a login and in no other way, as from many offices.
afterAll(leakCheck);
const login = "office:hunter2-hunter2";
let all: InstalledRelay;
let proxy: ConnectProxy;
let road: string[];

beforeAll(async () => {
  all = await startInstalledRelay("https://{tenant}.example.com");
  proxy = await startConnectProxy({ login, allow: [`localhost:${all.ports.websocket}`] });
  road = ["--proxy", proxy.url, "--proxy-credentials", file("login", login)];
});
afterAll(async () => {
  await proxy?.stop();
  await all?.stop();
});

const file = (name: string, text: string): string => {
  const path = join(all.folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
const installation = () => ["--installation", all.installation];

test("the relay's operator gets there", async () => {
  const before = proxy.asked.length;
  expect(await sallyport(["tenant", "add", "other", ...installation(), ...road])).toMatchObject({ code: 0 });
  expect(await sallyport(["zone", "list", "--online", ...installation(), ...road])).toMatchObject({
    code: 0,
  });
  // By TLS alone first, which this proxy does not let through, and then by WebSocket.
  expect(new Set(proxy.asked.slice(before))).toEqual(
    new Set([`localhost:${all.ports.nats}`, `localhost:${all.ports.websocket}`]),
  );
});

test("streams are made, a bundle is tried and everyday commands work there too", async () => {
  const credentials = { url: proxy.url, login: async () => login };
  await provisionStreams({
    servers: [`wss://localhost:${all.ports.websocket}`],
    creds: readFileSync(join(all.installation, "creds/acme/provisioner.creds")),
    maxBytes: { log: 2 ** 20, bucket: 2 ** 20 },
    ...{ caFile: all.caFile, proxy: credentials },
  });
  const folder = join(all.folder, "alice");
  const bundle = join(all.folder, "alice.json");
  const about = ["operator", "--site", "alice"];
  await sallyport(["zone", "request", ...about, "--out", folder]);
  const request = ["--request", join(folder, "request.json"), "--tenant", "acme", "--yes", "--out", bundle];
  expect(await sallyport(["zone", "bundle", ...about, ...installation(), ...request])).toMatchObject({
    code: 0,
  });
  const { operator } = JSON.parse(readFileSync(bundle, "utf8"));
  const pinned = ["--dir", folder, "--operator", operator];
  const verified = await sallyport(["zone", "verify", bundle, ...pinned, "--online", ...road]);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("relay are good") });

  expect(await sallyport(["zone", "install", bundle, ...pinned])).toMatchObject({ code: 0 });
  const config = join(folder, "sallyport.yaml");
  const settings = parse(readFileSync(config, "utf8"));
  settings.nats.proxy = { url: proxy.url, credentials: "../login" };
  writeFileSync(config, stringify(settings));
  const listed = await sallyport(["revoke", "list", "--config", config]);
  expect(listed.err).not.toContain("fix:");
  expect(listed.code).toBe(0);
});

test("a login that the proxy does not take is told by the flag that names it, and not shown", async () => {
  const wrong = ["--proxy", proxy.url, "--proxy-credentials", file("wrong", "office:hunter3-hunter3")];
  const said = await sallyport(["zone", "list", "--online", ...installation(), ...wrong]);
  expect(said).toMatchObject({ code: 77, err: expect.stringContaining("--proxy-credentials (407)") });
  expect(said.err).not.toContain("hunter3");
});

test.each([
  [() => ["--proxy", "http://office:hunter2-hunter2@127.0.0.1:1"], /--proxy: expected a URL without a login/],
  [() => ["--proxy", "socks5://127.0.0.1:1"], /--proxy: expected a URL like http:/],
  [() => ["--proxy-credentials", file("alone", login)], /name it with --proxy/],
  [
    () => ["--proxy", proxy.url, "--proxy-credentials", join(all.folder, "none")],
    /--proxy-credentials: no such file/,
  ],
])("a proxy that cannot be one is refused before anything is asked, %#", async (flags, why) => {
  const before = proxy.asked.length;
  const said = await sallyport(["zone", "list", "--online", ...installation(), ...flags()]);
  expect(said).toMatchObject({ code: 2, err: expect.stringMatching(why) });
  expect(said.err).not.toContain("hunter2");
  expect(proxy.asked).toHaveLength(before);
});
