import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelayAuthority, secretsIn } from "@sallyport/installation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type Result, runHere as sallyport } from "../stack.fixture.ts";

type Bundle = { edges: Record<string, unknown>; relay: { servers: string[] } };
let folder: string;
let operator: string;

/** An installation with an edge and a connector in it; what a test changes, it changes in copies. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-zone-"));
  const made = await init("acme", "--make-ca", "--json");
  expect(made.err).toBe("");
  operator = JSON.parse(made.out).operator;
  await request("edge", "edge-1");
  await good(bundle("edge", "edge-1"));
  await request("connector", "paris");
  await good(bundle("connector", "paris", "--servers", "crm,wiki"));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const json = (name: string) => JSON.parse(readFileSync(at(name), "utf8"));
const change = (from: string, to: string, by: (value: Bundle) => void) => {
  const value = json(from);
  by(value);
  writeFileSync(at(to), JSON.stringify(value));
  return at(to);
};
const init = (name: string, ...more: string[]) =>
  sallyport([
    ...["init", "--out", at(name), "--tenant", "acme", "--issuer", "https://login.example.com"],
    ...["--public-url", "https://{tenant}.example.com", "--jwks-url", "https://login.example.com/jwks"],
    ...["--relay", "tls://relay.example.com:4222", "--relay", "wss://relay.example.com", ...more],
  ]);
const request = (zone: string, site: string, out = site) =>
  good(sallyport(["zone", "request", zone, "--site", site, "--out", at(out)]));
const bundle = (zone: string, site: string, ...more: string[]) =>
  sallyport([
    ...["zone", "bundle", zone, "--site", site, "--installation", at("acme"), "--yes"],
    ...["--request", at(`${site}/request.json`), "--out", at(`${site}.json`), ...more],
  ]);
const install = (file: string, dir: string, ...more: string[]) =>
  sallyport(["zone", "install", file, "--dir", at(dir), ...more]);
const verify = (file: string, ...more: string[]) => sallyport(["zone", "verify", file, ...more]);

async function good(running: Promise<Result>): Promise<Result> {
  const result = await running;
  expect(result.err + result.out, "it ends well").not.toContain("fix:");
  expect(result.code).toBe(0);
  return result;
}
const modeOf = (name: string) => statSync(at(name)).mode & 0o777;
const filesIn = (name: string) =>
  readdirSync(at(name), { recursive: true, encoding: "utf8" }).filter((file) =>
    statSync(at(join(name, file))).isFile(),
  );

test("init makes keys for their owner alone, and a relay that trusts this operator with TLS on both roads", async () => {
  const files = filesIn("acme");
  expect(files).toEqual(
    expect.arrayContaining([
      ...["installation.json", "trust/operator.nk", "trust/accounts/acme.nk", "trust/relay-operator.creds"],
      ...["trust/relay-ca.key", "relay/tls.key", "relay/tls.crt", "relay/relay-ca.pem"],
      ...["relay/nats-server.conf", "relay/accounts.conf", "creds/acme/provisioner.creds"],
    ]),
  );
  for (const file of files) {
    const secret = secretsIn(readFileSync(at(join("acme", file)), "utf8")).length > 0;
    if (secret) expect(modeOf(join("acme", file)), file).toBe(0o600);
  }
  expect(secretsIn(JSON.stringify(json("acme/installation.json")))).toEqual([]);
  const config = readFileSync(at("acme/relay/nats-server.conf"), "utf8");
  expect(config).toContain('listen: "0.0.0.0:443"');
  expect(config.match(/cert_file/g)).toHaveLength(2);
});

test("init changes nothing that is there, and says which setting is wrong", async () => {
  const again = await init("acme");
  expect(again).toMatchObject({ code: 1, err: expect.stringMatching(/is not empty[\s\S]*setting: --out/) });
  const clear = await init("other", "--relay", "nats://relay.example.com:4222");
  expect(clear).toMatchObject({ code: 2, err: expect.stringMatching(/without TLS[\s\S]*setting: --relay/) });
  const both = await init("other", "--make-ca", "--ca", "x.pem");
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining("--ca") });
  const tenant = await init("other", "--tenant", "a.b");
  expect(tenant).toMatchObject({ code: 2, err: expect.stringContaining("setting: --tenant") });
  expect(existsSync(at("other"))).toBe(false);
});

test("an issuer's own authority is in the bundles of those who ask for its keys, and stands in their settings", async () => {
  const authority = at("acme/relay/relay-ca.pem");
  await good(init("private", "--make-ca", "--issuer-ca", authority));
  for (const [zone, site, more] of [
    ["edge", "edge-9", []],
    ["broker", "broker-9", []],
    ["connector", "naples", ["--servers", "crm"]],
  ] as const) {
    await request(zone, site);
    const args = ["--installation", at("private"), "--request", at(`${site}/request.json`), "--yes"];
    await good(
      sallyport(["zone", "bundle", zone, "--site", site, ...args, "--out", at(`${site}.json`), ...more]),
    );
    await good(install(at(`${site}.json`), site, "--operator", json(`${site}.json`).operator));
  }
  for (const [site, zone] of [
    ["edge-9", "edge"],
    ["naples", "connector"],
  ]) {
    expect(readFileSync(at(`${site}/issuer-ca.pem`), "utf8")).toBe(readFileSync(authority, "utf8"));
    expect(parse(readFileSync(at(`${site}/${zone}.yaml`), "utf8")).tokens.caFile).toBe("issuer-ca.pem");
  }
  expect(existsSync(at("broker-9/issuer-ca.pem"))).toBe(false);

  const wrong = await init("never", "--make-ca", "--issuer-ca", at("acme/relay/tls.crt"));
  expect(wrong).toMatchObject({
    code: 2,
    err: expect.stringMatching(/is no authority, but an ordinary certificate[\s\S]*setting: --issuer-ca/),
  });
  expect(existsSync(at("never"))).toBe(false);
});

test("a request holds public halves alone; the keys stay, and are never overwritten", async () => {
  for (const site of ["paris", "edge-1"])
    expect(secretsIn(JSON.stringify(json(`${site}/request.json`)))).toEqual([]);
  for (const file of ["paris/nats.seed", "paris/seal.key", "edge-1/nats.seed", "edge-1/grant.key"])
    expect(modeOf(file), file).toBe(0o600);
  const seed = readFileSync(at("paris/nats.seed"), "utf8");
  const again = await sallyport(["zone", "request", "connector", "--site", "paris", "--out", at("paris")]);
  expect(again).toMatchObject({ code: 1, err: expect.stringMatching(/has keys already[\s\S]*--renew/) });
  expect(readFileSync(at("paris/nats.seed"), "utf8")).toBe(seed);
});

test("a bundle is signed, has no secret, and tells an edge and a connector of each other", async () => {
  // The edge's was made before there was a connector: what tells it of one is in bundles/.
  const edge = json("acme/bundles/acme/edge-edge-1.bundle.json");
  const paris = json("paris.json");
  expect(edge.enrolments).toContainEqual(
    expect.objectContaining({ connector: "paris", servers: ["crm", "wiki"] }),
  );
  expect(paris.edges).toEqual({ "edge-1": [json("edge-1/request.json").keys.grant] });
  expect(paris.tokens.publicUrl).toBe("https://acme.example.com");
  for (const one of [edge, paris]) expect(secretsIn(JSON.stringify(one))).toEqual([]);
  const shown = await good(verify(at("paris.json"), "--operator", operator, "--dir", at("paris"), "--json"));
  expect(JSON.parse(shown.out)).toMatchObject({
    ...{ zone: "connector", instance: "paris", tenant: "acme", pinned: true },
    checked: ["signature", "JWTs", "authority", "keys"],
  });
});

test("a bundle with a secret in its settings is not made", async () => {
  const settings = at("secret.yaml");
  writeFileSync(
    settings,
    `servers: { crm: { url: "https://x", token: "${readFileSync(at("acme/trust/operator.nk"))}" } }`,
  );
  const made = await bundle("connector", "paris", "--settings", settings, "--out", at("never.json"));
  expect(made).toMatchObject({ code: 2, err: expect.stringContaining("an nkey seed") });
  expect(made.err).not.toContain(readFileSync(at("acme/trust/operator.nk"), "utf8"));
  writeFileSync(settings, "privateKey: mine");
  const own = await bundle("connector", "paris", "--settings", settings, "--out", at("never.json"));
  expect(own).toMatchObject({ code: 2, err: expect.stringContaining("sets privateKey by itself") });
  expect(existsSync(at("never.json"))).toBe(false);
});

test("nothing is admitted under a known name with other keys, nor overwritten without a word", async () => {
  await request("connector", "paris", "impostor");
  const args = ["zone", "bundle", "connector", "--site", "paris", "--installation", at("acme"), "--yes"];
  const other = await sallyport([
    ...args,
    "--request",
    at("impostor/request.json"),
    "--out",
    at("never.json"),
  ]);
  expect(other).toMatchObject({
    code: 77,
    err: expect.stringMatching(/known with other keys[\s\S]*zone rotate/),
  });
  const there = await sallyport([...args, "--out", at("paris.json")]);
  expect(there).toMatchObject({ code: 1, err: expect.stringContaining("--replace") });
  const unconfirmed = await sallyport([
    ...args.filter((arg) => arg !== "--yes"),
    ...["--request", at("paris/request.json"), "--out", at("never.json")],
  ]);
  expect(unconfirmed).toMatchObject({ code: 77, err: expect.stringContaining("fingerprint") });
});

test.each<[string, RegExp, (value: Bundle) => void]>([
  ["an edge's key", /signature does not hold/, (b) => Object.assign(b.edges, { evil: b.edges["edge-1"] })],
  [
    "a relay's address",
    /signature does not hold/,
    (b) => b.relay.servers.push("tls://evil.example.com:4222"),
  ],
  ["the operator", /signature does not hold/, (b) => Object.assign(b, { operator: `O${"A".repeat(55)}` })],
  ["an unknown field", /is not a zone's bundle/, (b) => Object.assign(b, { more: 1 })],
])("a bundle in which %s was changed is refused", async (_what, words, by) => {
  const file = change("paris.json", "tampered.json", by);
  for (const refused of [
    await verify(file, "--operator", operator),
    await install(file, "paris", "--operator", operator),
  ])
    expect(refused).toMatchObject({ code: 77, err: expect.stringMatching(words) });
  expect(existsSync(at("paris/nats.creds"))).toBe(false);
});

test("another operator's bundle, another zone's keys, and an expired authority are refused, each in its words", async () => {
  const stale = createRelayAuthority(["relay.example.com"], new Date(Date.now() - 12 * 365 * 86_400_000));
  writeFileSync(at("stale.pem"), stale.authority.certificate);
  const late = await init("elsewhere", "--ca", at("stale.pem"));
  expect(late).toMatchObject({ code: 2, err: expect.stringMatching(/expired on[\s\S]*setting: --ca/) });
  await good(init("elsewhere", "--make-ca"));
  const facts = json("elsewhere/installation.json");
  facts.relay.ca = stale.authority.certificate;
  writeFileSync(at("elsewhere/installation.json"), JSON.stringify(facts));
  const args = ["--installation", at("elsewhere"), "--request", at("edge-1/request.json"), "--yes"];
  await good(
    sallyport(["zone", "bundle", "edge", "--site", "edge-1", ...args, "--out", at("elsewhere.json")]),
  );
  const foreign = await install(at("elsewhere.json"), "edge-1", "--operator", operator);
  expect(foreign).toMatchObject({ code: 77, err: expect.stringMatching(/of another operator/) });
  const theirs = json("elsewhere.json").operator;
  const expired = await install(at("elsewhere.json"), "edge-1", "--operator", theirs);
  expect(expired).toMatchObject({ code: 77, err: expect.stringMatching(/authority expired on \d{4}-/) });

  await request("connector", "paris", "thief");
  const stolen = await install(at("paris.json"), "thief", "--operator", operator);
  expect(stolen).toMatchObject({ code: 77, err: expect.stringMatching(/not of a key that is kept in/) });
  expect(stolen.err).toMatch(/seal key is not one that is kept/);
});

test("the first bundle needs a word on whose it is; installed, it is the zone's settings and follows the next", async () => {
  await request("connector", "lyon");
  await good(bundle("connector", "lyon", "--servers", "crm"));
  const first = await install(at("lyon.json"), "lyon");
  expect(first).toMatchObject({
    code: 77,
    err: expect.stringMatching(/whose bundles[\s\S]*setting: --operator/),
  });
  await good(install(at("lyon.json"), "lyon", "--operator", operator));
  const settings = parse(readFileSync(at("lyon/connector.yaml"), "utf8"));
  expect(settings).toMatchObject({
    ...{ instance: "lyon", tenant: "acme", privateKey: "seal.key", edges: "edges" },
    nats: {
      servers: ["tls://relay.example.com:4222", "wss://relay.example.com"],
      creds: "nats.creds",
      caFile: "relay-ca.pem",
    },
  });
  expect(modeOf("lyon/nats.creds")).toBe(0o600);
  expect(readFileSync(at("lyon/nats.creds"), "utf8")).toContain(
    readFileSync(at("lyon/nats.seed"), "utf8").trim(),
  );
  expect(readdirSync(at("lyon/edges"))).toEqual(["edge-1.pem"]);

  writeFileSync(at("lyon/connector.yaml"), "# mine\ninstance: lyon\n");
  await request("edge", "edge-2");
  await good(bundle("edge", "edge-2"));
  const next = await good(install(at("acme/bundles/acme/connector-lyon.bundle.json"), "lyon", "--json"));
  expect(JSON.parse(next.out)).toMatchObject({
    written: expect.arrayContaining(["edges/edge-2.pem"]),
    kept: ["connector.yaml"],
  });
  expect(readFileSync(at("lyon/connector.yaml"), "utf8")).toBe("# mine\ninstance: lyon\n");
  // An older bundle would bring back whom a newer one has cut off.
  const older = await install(at("lyon.json"), "lyon");
  expect(older).toMatchObject({ code: 77, err: expect.stringMatching(/before the one that is installed/) });
});

test("two who would be one: a runner cannot have a connector's name", async () => {
  await request("runner", "paris", "paris-runner");
  const args = ["--installation", at("acme"), "--request", at("paris-runner/request.json"), "--yes"];
  const made = await sallyport([
    "zone",
    "bundle",
    "runner",
    "--site",
    "paris",
    "--pools",
    "builds",
    ...args,
    "--out",
    at("never.json"),
  ]);
  expect(made).toMatchObject({ code: 77, err: expect.stringMatching(/name of a connector already/) });
});

test("list shows who has a bundle, as a table and as JSON without keys", async () => {
  const shown = await good(sallyport(["zone", "list", "--installation", at("acme")]));
  expect(shown.out).toMatch(/^ZONE +SITE +TENANT +STATE/);
  expect(shown.out).toMatch(/connector +paris +acme +issued +crm, wiki/);
  const asJson = await good(sallyport(["zone", "list", "--installation", at("acme"), "--json"]));
  expect(secretsIn(asJson.out)).toEqual([]);
  expect(JSON.parse(asJson.out).zones).toContainEqual(
    expect.objectContaining({ zone: "edge", instance: "edge-1" }),
  );
});

test("without a relay a revocation is kept, its bundles are made, and what to do is said", async () => {
  await request("connector", "rome");
  await good(bundle("connector", "rome", "--servers", "crm"));
  const args = ["zone", "revoke", "connector", "--site", "rome", "--installation", at("acme")];
  const gone = await sallyport([...args, "--server", "nats://127.0.0.1:1"]);
  expect(gone).toMatchObject({ code: 69, err: expect.stringMatching(/not reached[\s\S]*run this again/) });
  expect(gone.err).toMatch(/edge edge-1: .*edge-edge-1\.bundle\.json/);
  const edge = json("acme/bundles/acme/edge-edge-1.bundle.json");
  expect(edge.enrolments.map(({ connector }: { connector: string }) => connector)).not.toContain("rome");
  const key = json("rome/request.json").keys.nats;
  expect(readFileSync(at("acme/relay/accounts.conf"), "utf8").length).toBeGreaterThan(0);
  const account = json("acme/trust/trust.json").accounts.acme.jwt.split(".")[1];
  expect(JSON.parse(Buffer.from(account, "base64url").toString()).nats.revocations).toHaveProperty(key);
  const back = await sallyport([...args.slice(0, 1), "bundle", ...args.slice(2), "--out", at("never.json")]);
  expect(back).toMatchObject({ code: 77, err: expect.stringMatching(/was revoked at/) });
});

test("two tenants may have a site of one name: each has its own account, edges and URL, and must be named", async () => {
  await good(init("two", "--tenant", "other"));
  const about = ["edge", "--site", "edge-1", "--installation", at("two")];
  const unnamed = await sallyport([
    "zone",
    "bundle",
    ...about,
    "--request",
    at("edge-1/request.json"),
    "--out",
    at("never.json"),
  ]);
  expect(unnamed).toMatchObject({ code: 2, err: expect.stringMatching(/say whose it is[\s\S]*acme, other/) });
  for (const tenant of ["acme", "other"]) {
    const folder = `two-${tenant}`;
    await good(sallyport(["zone", "request", "edge", "--site", "edge-1", "--out", at(folder)]));
    const args = [
      "--request",
      at(`${folder}/request.json`),
      "--tenant",
      tenant,
      "--yes",
      "--out",
      at(`${folder}.json`),
    ];
    await good(sallyport(["zone", "bundle", ...about, ...args]));
  }
  const [acme, other] = [json("two-acme.json"), json("two-other.json")];
  expect([acme.tokens.publicUrl, other.tokens.publicUrl]).toEqual([
    "https://acme.example.com",
    "https://other.example.com",
  ]);
  const issuerOf = ({ nats }: { nats: { jwt: string } }) =>
    JSON.parse(Buffer.from(nats.jwt.split(".")[1] ?? "", "base64url").toString()).iss;
  expect(issuerOf(acme)).not.toBe(issuerOf(other));
  const ambiguous = await sallyport(["zone", "revoke", ...about]);
  expect(ambiguous).toMatchObject({
    code: 2,
    err: expect.stringMatching(/several tenants[\s\S]*setting: --tenant/),
  });
});

test("every command has help with examples, and a site that nobody knows is an error that says so", async () => {
  for (const command of ["request", "bundle", "verify", "install", "list", "rotate", "revoke"])
    expect((await sallyport(["zone", command, "--help"])).out).toContain(`$ sallyport zone ${command}`);
  for (const command of ["init", "tenant add", "relay certificate"])
    expect((await sallyport([...command.split(" "), "--help"])).out).toContain(`$ sallyport ${command}`);
  const args = ["--site", "nowhere", "--installation", at("acme")];
  expect(await sallyport(["zone", "revoke", "connector", ...args])).toMatchObject({ code: 1 });
  expect(await sallyport(["zone", "revoke", "moon", ...args])).toMatchObject({ code: 2 });
  expect(await sallyport(["zone", "list", "--installation", folder])).toMatchObject({ code: 78 });
}, 60_000);
