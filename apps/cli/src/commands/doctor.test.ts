import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Bus, publish, serve } from "@sallyport/bus";
import { presence, readTrace, ServiceError } from "@sallyport/contracts";
import { generateRecipientKey } from "@sallyport/seal";
import { freePort, type Issuer, leakCheck, startIssuer } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import type { Check } from "../doctor/check.ts";
import { compareZones } from "../doctor/compare-zones.ts";
import { readZoneFile, zoneFacts, zoneOf } from "../doctor/zone-config.ts";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

/** It starts the programs of four zones, and other tests may have the processors. */
const patienceMs = 100_000;
vi.setConfig({ testTimeout: patienceMs + 20_000 });

let relay: Relay;
let issuer: Issuer;
let edge: { url: string; server: Server; issuer: string };
const timers: NodeJS.Timeout[] = [];

/** Resource metadata (RFC 9728) where an edge has it. */
async function startEdge() {
  const told = { url: "", issuer: "", server: createServer() };
  told.server.on("request", (request, response) => {
    const name = request.url?.split("/mcp/")[1];
    response.end(
      JSON.stringify({ resource: `${told.url}/mcp/${name}`, authorization_servers: [told.issuer] }),
    );
  });
  await new Promise<void>((resolve) => told.server.listen(0, "127.0.0.1", resolve));
  told.url = `http://127.0.0.1:${(told.server.address() as AddressInfo).port}`;
  return told;
}

function announce(bus: Bus, body: object = {}): NodeJS.Timeout {
  const params = { zone: bus.who.zone, instance: bus.who.instance };
  const base = { boot: "b", version: "0.1.0", startedAt: new Date().toISOString() };
  const timer = setInterval(() => publish(bus, presence, { params, body: { ...base, ...body } }), 200);
  timers.push(timer);
  return timer;
}

beforeAll(async () => {
  relay = await startRelay();
  edge = await startEdge();
  issuer = await startIssuer({ config: { resources: [], clients: [] } });
  edge.issuer = issuer.url;
  const collector = await relay.bus({ zone: "collector", instance: "k1" });
  serve(collector, readTrace, async () => {
    throw new ServiceError("not_found", "no call has been traced yet");
  });
  announce(collector);
  announce(await relay.bus({ zone: "edge", instance: "e1" }));
  announce(await relay.bus({ zone: "broker", instance: "b1" }));
  announce(await relay.bus({ zone: "connector", instance: "c1" }), {
    servers: [{ name: "orders", ready: true }],
  });
});
afterEach(() => {
  edge.issuer = issuer.url;
  for (const timer of timers.splice(4)) clearInterval(timer);
});
afterAll(async () => {
  for (const timer of timers) clearInterval(timer);
  await issuer.stop();
  edge.server.close();
  await relay.stop();
});

const settings = () => ({ edge: { url: edge.url }, issuer: { url: issuer.url } });
async function doctor(config: string, ...more: string[]) {
  const args = ["doctor", "--json", "--config", config, ...more];
  const { code, out, err } = await sallyport(args, { timeoutMs: patienceMs });
  const { ok, checks } = JSON.parse(out) as { ok: boolean; checks: Check[] };
  const named = (name: string) => checks.filter((one) => one.name === name);
  return { code, ok, checks, err, named, wrong: checks.filter((one) => one.state !== "ok") };
}

test("where all is well, every check says so and the exit code is 0", async () => {
  const { code, out, err } = await sallyport(["doctor", "--config", relay.config(settings())]);
  expect(err).toBe("");
  expect(out.split("\n").filter((line) => !line.startsWith("✓ "))).toEqual([""]);
  expect(code).toBe(0);
  for (const name of ["node", "nats", "audit log", "revocations", "collector", "zone edge", "zone broker"])
    expect(out).toContain(`✓ ${name}: `);
  for (const name of ["server orders", "edge", "issuer", "issuer keys", "clock"])
    expect(out).toContain(`✓ ${name}: `);
});

test("what a zone says is wrong is shown with what to do", async () => {
  announce(await relay.bus({ zone: "broker", instance: "b2" }), {
    problems: ["vault is sealed"],
    version: "0.2.0",
  });
  announce(await relay.bus({ zone: "connector", instance: "c2" }), {
    servers: [{ name: "tickets", ready: false, problem: "connection refused" }],
  });
  announce(await relay.bus({ zone: "connector", instance: "c3" }), {
    servers: [{ name: "orders", ready: false }],
  });
  const { code, named, err } = await doctor(relay.config(settings()));
  expect(code).toBe(1);
  expect(JSON.parse(err).error.message).toMatch(/^2 of \d+ checks failed$/);
  expect(named("zone broker")).toContainEqual({
    name: "zone broker",
    state: "failed",
    what: "b2 says: vault is sealed",
    fix: "see the log of broker b2",
  });
  expect(named("server tickets")[0]).toMatchObject({ state: "failed" });
  expect(named("server orders").map(({ state }) => state)).toEqual(["ok", "warning"]);
  expect(named("versions")[0]).toMatchObject({ state: "warning" });
});

test("a runner and its pools are checked like a connector; one that is enrolled and silent fails", async () => {
  announce(await relay.bus({ zone: "runner", instance: "r1" }), {
    servers: [
      { name: "sandbox", ready: true },
      { name: "builds", ready: false, problem: "the runner is draining" },
    ],
  });
  const enrolments = join(relay.folder, "runners");
  mkdirSync(enrolments, { recursive: true });
  for (const name of ["r1", "r2"]) {
    const { publicKey } = await generateRecipientKey();
    const enrolment = { zone: "runner", connector: name, publicKey, servers: ["sandbox"] };
    writeFileSync(join(enrolments, `${name}.json`), JSON.stringify(enrolment));
  }
  const { named } = await doctor(relay.config({ ...settings(), enrolments }));
  expect(named("zone runner").map(({ state, what }) => [state, what])).toEqual([
    ["ok", "r1 is up, version 0.1.0"],
    ["failed", "r2 is enrolled and does not announce itself within 3 s"],
  ]);
  expect(named("server sandbox")[0]).toMatchObject({ state: "ok", what: "ready at r1" });
  expect(named("server builds")[0]).toMatchObject({
    state: "failed",
    fix: "see `pools.builds` in the settings of r1, and its log",
  });
  const gone = await doctor(relay.config({ ...settings(), enrolments: join(relay.folder, "gone") }));
  expect(gone.named("enrolments")[0]).toMatchObject({ state: "failed" });
  expect(gone.named("zone edge")[0]).toMatchObject({ state: "ok" });
});

test("an edge that names another issuer fails", async () => {
  edge.issuer = "https://other.example.com";
  const { code, wrong } = await doctor(relay.config(settings()));
  expect(code).toBe(1);
  expect(wrong).toEqual([
    {
      name: "edge",
      state: "failed",
      what: `it sends agents to https://other.example.com, not to ${issuer.url}`,
      fix: "make issuer.url here and tokens.issuer of the edge the same",
    },
  ]);
});

test("what cannot be reached fails, and the rest is still looked at", async () => {
  const gone = `http://127.0.0.1:${await freePort()}`;
  const nats = { ...relay.operator, servers: [gone.replace("http", "nats")] };
  const file = relay.config({ nats, edge: { url: gone }, issuer: { url: gone } });
  const { code, named } = await doctor(file);
  expect(code).toBe(1);
  for (const name of ["nats", "edge", "issuer"]) {
    expect(named(name)[0]).toMatchObject({ state: "failed" });
    expect(named(name)[0]?.fix).toBeTruthy();
  }
  expect(named("node")[0]).toMatchObject({ state: "ok" });
});

test("creds that NATS does not take are named", async () => {
  const other = await startRelay();
  try {
    const nats = { ...relay.operator, creds: other.operator.creds };
    const { named } = await doctor(relay.config({ nats }));
    expect(named("nats")[0]).toMatchObject({ state: "failed" });
    expect(named("nats")[0]?.what).toContain("(setting nats.creds)");
  } finally {
    await other.stop();
  }
});

test("settings that cannot be used are one failed check", async () => {
  const { code, named } = await doctor(relay.write("bad.yaml", "nuts: {}"));
  expect(code).toBe(1);
  expect(named("settings")[0]?.what).toContain("bad.yaml:1:1  nuts: unknown setting; did you mean nats?");
});

interface Change {
  edge?: object;
  connector?: object;
  runner?: object;
  broker?: object;
  rules?: object[];
}

/** Settings of four zones that fit each other; `change` makes them not. */
async function writeZones(change: Change) {
  const write = (name: string, text: string | Buffer) => relay.write(name, text);
  const pem = generateKeyPairSync("ed25519");
  write("edge.pub.pem", pem.publicKey.export({ format: "pem", type: "spki" }));
  write("edge.key.pem", pem.privateKey.export({ format: "pem", type: "pkcs8" }));
  write("other.pub.pem", generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }));
  write("connector.key", "ssk1.x");
  write("role", "r");
  write("p.cedar", "");
  mkdirSync(join(relay.folder, "enrolled"), { recursive: true });
  mkdirSync(join(relay.folder, "empty"), { recursive: true });
  const { publicKey } = await generateRecipientKey();
  const enrolment = { connector: "c1", publicKey, servers: ["orders"] };
  writeFileSync(join(relay.folder, "enrolled/c1.json"), JSON.stringify(enrolment));
  const ofRunner = { zone: "runner", connector: "r1", publicKey, servers: ["sandbox", "builds"] };
  writeFileSync(join(relay.folder, "enrolled/r1.json"), JSON.stringify(ofRunner));
  const nats = { servers: [relay.url], creds: relay.operator.creds };
  const tokens = { issuer: "https://issuer.example.com", jwksUrl: "https://issuer.example.com/jwks" };
  const edges = { e1: "edge.pub.pem" };
  const rule = {
    id: "r1",
    credential: "api",
    servers: ["orders", "sandbox"],
    agents: "*",
    maxTtlSeconds: 60,
  };
  write("rules.yaml", stringify({ rules: change.rules ?? [rule] }));
  const publicUrl = "https://agents.example.com";
  const bindings = [{ host: "api.internal", place: { in: "basic" } }];
  const place = { in: "header", name: "authorization" };
  const files = {
    edge: {
      ...{ tenant: "acme", instance: "e1", nats, tokens, publicUrl, enrolments: "enrolled" },
      ...{ listen: { port: 0 }, signingKey: "edge.key.pem", ...change.edge },
    },
    connector: {
      ...{ tenant: "acme", instance: "c1", nats, edges, privateKey: "connector.key", policies: ["p.cedar"] },
      tokens: { ...tokens, publicUrl },
      servers: { orders: { url: "https://orders.internal", credential: { name: "api", place } } },
      ...change.connector,
    },
    runner: {
      ...{ tenant: "acme", instance: "r1", nats, edges, privateKey: "connector.key", policies: ["p.cedar"] },
      ...{ tokens: { ...tokens, publicUrl }, bwrap: "/usr/bin/bwrap", state: "/var/lib/sallyport" },
      pools: { sandbox: { egress: { credentials: { TOKEN: { credential: "api", bindings } } } } },
      workers: { builds: {} },
      ...change.runner,
    },
    broker: {
      ...{ tenant: "acme", instance: "b1", nats, edges, enrolments: "enrolled", rules: "rules.yaml" },
      vault: {
        address: "https://vault.internal",
        auth: { method: "approle", roleId: "role", secretId: "role" },
      },
      credentials: { api: { kind: "kv", path: "apps/orders", field: "token" } },
      ...change.broker,
    },
  };
  return Object.entries(files).map(([name, file]) => write(`${name}.yaml`, stringify(file)));
}

/** The same as doctor tells it, without anything that lives. */
async function zones(change: Change = {}) {
  const args = (await writeZones(change)).flatMap((file) => ["--zone-config", file]);
  return doctor(relay.write("none.yaml", "{}"), ...args);
}

test("zones' settings are checked by the zones' own programs, and together", async () => {
  const { code, named, checks, wrong } = await zones();
  expect(wrong.map(({ name }) => name)).toEqual(["nats", "edge", "issuer"]);
  expect(checks.filter(({ what }) => what.startsWith("valid for "))).toHaveLength(4);
  expect(named("zones together")[0]).toMatchObject({ state: "ok", what: "4 files fit each other" });
  expect(code).toBe(0);
});

function factsOf(files: readonly string[]) {
  return files.map((file) => {
    const settings = readZoneFile(file);
    return zoneFacts(file, zoneOf(settings) ?? "collector", settings);
  });
}

const elsewhere = { issuer: "https://issuer.example.com", jwksUrl: "https://issuer.example.com/jwks" };
const otherRule = { id: "r1", credential: "api", servers: ["tickets"], agents: "*", maxTtlSeconds: 60 };

test.each([
  ["a tenant of its own", { edge: { tenant: "other" } }, "tenant"],
  [
    "another public URL",
    { connector: { tokens: { ...elsewhere, publicUrl: "https://b.example" } } },
    "public URL",
  ],
  ["another issuer", { edge: { tokens: { ...elsewhere, issuer: "https://b.example" } } }, "token issuer"],
  [
    "a runner's other public URL",
    { runner: { tokens: { ...elsewhere, publicUrl: "https://b.example" } } },
    "public URL",
  ],
  ["a runner that is not enrolled", { runner: { instance: "r9" } }, "enrolment"],
  ["a runner under a connector's name", { runner: { instance: "c1" } }, "enrolment"],
  [
    "a placeholder for a credential that no rule gives the pool",
    { rules: [{ ...otherRule, servers: ["orders"] }] },
    "credential api",
  ],
  ["no enrolment at the edge", { edge: { enrolments: "empty" } }, "enrolment"],
  ["no enrolment at the broker", { broker: { enrolments: "empty" } }, "enrolment"],
  ["an edge that the connector does not know", { connector: { edges: { e2: "edge.pub.pem" } } }, "edge key"],
  ["another key of the edge at the connector", { connector: { edges: { e1: "other.pub.pem" } } }, "edge key"],
  ["another key of the edge at the broker", { broker: { edges: { e1: "other.pub.pem" } } }, "edge key"],
  [
    "a credential that the broker does not have",
    { broker: { credentials: { apj: { kind: "kv", path: "a", field: "f" } } } },
    "credential api",
  ],
  ["a credential without a rule for the server", { rules: [otherRule] }, "credential api"],
  [
    "a rule for other connectors only",
    { rules: [{ ...otherRule, servers: ["orders"], connectors: ["c9"] }] },
    "credential api",
  ],
] as [string, Change, string][])("%s fails", async (_what, change, name) => {
  const failures = compareZones(factsOf(await writeZones(change))).filter(({ state }) => state === "failed");
  expect(new Set(failures.map((check) => check.name))).toEqual(new Set([name]));
  for (const { fix } of failures) expect(fix).toBeTruthy();
});

test("what does not fit together is exit code 1", async () => {
  const { code, named } = await zones({ edge: { tenant: "other" } });
  expect(code).toBe(1);
  expect(named("tenant")[0]).toMatchObject({ state: "failed" });
});

test("a server that is offered but not enrolled is a warning", async () => {
  const servers = { tickets: { url: "https://tickets.internal" } };
  const checks = compareZones(factsOf(await writeZones({ connector: { servers } })));
  expect(checks.map(({ name, state }) => [name, state])).toEqual([
    ["enrolment", "warning"],
    ["enrolment", "warning"],
  ]);
});

test("a zone's own complaint about its settings is shown, with its place", async () => {
  const { code, checks } = await zones({ edge: { listenn: 1 } });
  expect(code).toBe(1);
  const complaint = checks.find(({ name }) => name.endsWith("edge.yaml"));
  expect(complaint?.what).toMatch(/edge\.yaml:\d+:\d+ {2}listenn: unknown setting; did you mean listen\?/);
});

test("a file that is no zone's settings fails, and one that is not there", async () => {
  const file = relay.write("what.yaml", "hello: 1");
  const args = ["--zone-config", file, "--zone-config", join(relay.folder, "gone.yaml")];
  const { code, checks } = await doctor(relay.write("none.yaml", "{}"), ...args);
  expect(code).toBe(1);
  expect(checks.map(({ what }) => what)).toContain("which zone's settings are these?");
  expect(checks.map(({ what }) => what)).toContainEqual(expect.stringContaining("cannot be read: ENOENT"));
});
