import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectRelayAdmin } from "@sallyport/infra-nats";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import {
  type InstalledRelay,
  shownBy,
  showsAnother,
  startInstalledRelay,
} from "../installation/relay.fixture.ts";
import { runHere as sallyport } from "../stack.fixture.ts";

afterAll(leakCheck);
let all: InstalledRelay;
beforeEach(async () => {
  all = await startInstalledRelay("https://agents.example.com");
});
afterEach(() => all?.stop());

const renew = (...more: string[]) =>
  sallyport(["relay", "certificate", "--installation", all.installation, ...more]);

test("a relay takes its new certificate while it runs, on both roads, from the authority that zones believe", async () => {
  const ca = readFileSync(all.caFile, "utf8");
  const roads = [
    { port: all.ports.nats, websocket: false },
    { port: all.ports.websocket, websocket: true },
  ];
  const before = await Promise.all(roads.map(({ port, websocket }) => shownBy(port, { ca, websocket })));
  const creds = readFileSync(join(all.installation, "trust/relay-operator.creds"));
  const there = await connectRelayAdmin({ servers: [all.url], creds, caFile: all.caFile });

  const { code, out } = await renew("--json");
  expect(code).toBe(0);
  const { certFile, keyFile, until } = JSON.parse(out);
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const years = (Date.parse(until) - Date.now()) / (365 * 86_400_000);
  expect(Math.round(years)).toBe(2);
  for (const [from, to] of [
    [certFile, "tls.crt"],
    [keyFile, "tls.key"],
  ])
    cpSync(from, join(all.machine, to));
  process.kill(all.relay.pid, "SIGHUP"); // as `nats-server --signal reload` does
  for (const [index, { port, websocket }] of roads.entries())
    await showsAnother(port, { ca, websocket, than: before[index] ?? "" });
  expect(await there.connected("nobody"), "it does not connect again, so no connection ended").toEqual([]);
  await there.close();
});

test("it says what to do next, and which files it wrote", async () => {
  const { code, out, err } = await renew();
  expect(code).toBe(0);
  expect(out).toContain(join(all.installation, "relay/tls.crt"));
  expect(err).toContain("nats-server --signal reload");
});

test("without an authority of its own, or with another's key, it changes nothing", async () => {
  const before = readFileSync(join(all.installation, "relay/tls.crt"), "utf8");
  const keyFile = join(all.installation, "trust/relay-ca.key");
  writeFileSync(keyFile, readFileSync(join(all.installation, "relay/tls.key")));
  expect(await renew()).toMatchObject({
    code: 1,
    err: expect.stringMatching(/another's[\s\S]*relay-ca\.key/),
  });
  rmSync(keyFile);
  expect(await renew()).toMatchObject({ code: 77, err: expect.stringContaining("not of this installation") });
  expect(readFileSync(join(all.installation, "relay/tls.crt"), "utf8")).toBe(before);
});
