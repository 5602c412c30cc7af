import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, loadConfig } from "@sallyport/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { natsSettings, roadOf } from "./nats-settings.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-zone-"));
  writeFileSync(join(folder, "zone.creds"), "creds", { mode: 0o600 });
  writeFileSync(join(folder, "login"), "paris:hunter2\n", { mode: 0o600 });
  writeFileSync(join(folder, "open"), "paris:hunter2\n", { mode: 0o644 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(nats: object) {
  const file = join(folder, "zone.yaml");
  writeFileSync(file, JSON.stringify({ nats: { creds: "zone.creds", ...nats } }));
  return loadConfig(z.strictObject({ nats: natsSettings }), { file, env: {} }).nats;
}

function refusal(nats: object): string {
  try {
    load(nats);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "it was taken";
}

const relay = "tls://relay.example.com:4222";

describe("how a zone reaches its relay", () => {
  it("is read with all that it may say, and the login comes from its file", async () => {
    const settings = load({
      servers: [relay, "wss://relay.example.com"],
      caFile: "ca.pem",
      tlsFirst: true,
      proxy: { url: "http://proxy.example.com:3128", credentials: "login" },
    });
    const road = roadOf(settings);
    expect(road).toMatchObject({ caFile: join(folder, "ca.pem"), tlsFirst: true });
    expect(await road.proxy?.login?.()).toBe("paris:hunter2");
    expect(JSON.stringify(settings)).not.toContain("hunter2");
  });

  it("is in clear on loopback alone", () => {
    expect(load({ servers: ["nats://127.0.0.1:4222"] }).servers).toEqual(["nats://127.0.0.1:4222"]);
    for (const server of ["nats://relay.example.com:4222", "ws://10.0.0.7"]) {
      expect(refusal({ servers: [relay, server] })).toMatch(/nats\.servers\.1[\s\S]*without TLS/);
    }
  });

  it.each([
    [{ proxy: { url: "http://127.0.0.1:3128" } }, /nats\.proxy/],
    [{ caFile: "ca.pem" }, /nats\.caFile/],
    [{ tlsFirst: true }, /nats\.tlsFirst/],
  ])("has no %j for a server in clear, where it would mean nothing", (more, setting) => {
    expect(refusal({ servers: ["nats://127.0.0.1:4222"], ...more })).toMatch(setting);
  });

  it.each([
    "proxy.example.com:3128",
    "socks5://proxy.example.com:1080",
    "http://proxy.example.com:3128/path",
    "http://proxy.example.com:3128/?x",
  ])("has no proxy %s", (url) => {
    expect(refusal({ servers: [relay], proxy: { url } })).toMatch(/nats\.proxy\.url[\s\S]*without a path/);
  });

  it.each([
    "http://paris:hunter2@proxy.example.com:3128",
    "http://paris:hunter2/x@proxy:1",
    "http://hunter2@proxy",
  ])("has no login in a proxy's URL, and the refusal of %s does not repeat it", (url) => {
    const said = refusal({ servers: [relay], proxy: { url } });
    expect(said).toMatch(/nats\.proxy\.url/);
    expect(said).not.toContain("hunter2");
    const server = refusal({ servers: [url.replace("http", "tls")] });
    expect(server).toMatch(/nats\.servers\.0/);
    expect(server).not.toContain("hunter2");
  });

  it("takes a login and creds from files alone that nobody else can read", () => {
    const proxy = { url: "http://proxy.example.com:3128", credentials: "open" };
    expect(refusal({ servers: [relay], proxy })).toMatch(/nats\.proxy\.credentials[\s\S]*chmod 600/);
    expect(refusal({ servers: [relay], creds: "open" })).toMatch(/nats\.creds[\s\S]*chmod 600/);
  });
});
