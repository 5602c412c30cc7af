import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import {
  leakCheck,
  type OpenBao,
  type Postgres,
  startOpenBao,
  startPostgres,
  type Terraform,
  until,
} from "@sallyport/testkit";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { provisionVault } from "./provision-vault.ts";
import { type Answer, type Ask, ask, openRoot, Platform, provider, root } from "./terraform.fixture.ts";
import { instances, may, type Name, names, secretIdPath, sharedPaths } from "./terraform-table.fixture.ts";

afterAll(leakCheck);

const openssl = "openssl"; // a maker of requests that is not ours
const available = await provider();
const platform = new Platform();
let bao: OpenBao;
let postgres: Postgres;
let terraform: Terraform;
let variables: Record<string, unknown>;

beforeAll(async () => {
  if ("missing" in available) return;
  [bao, postgres] = await Promise.all([startOpenBao(), startPostgres()]);
  await postgres.query("create table parcels (id int); insert into parcels values (7)");
  variables = {
    broker_cidrs: ["127.0.0.1/32"],
    identities: {
      issuer: platform.issuer,
      audience: platform.audience,
      public_keys: [platform.publicKey],
    },
    instances,
    databases: { shop: { ...postgres, username: postgres.superuser } },
    database_passwords: { shop: postgres.password },
  };
  terraform = await openRoot(available.program, bao);
  await terraform.apply(variables);
}, 300_000);
afterAll(async () => {
  await terraform?.close();
  await bao?.stop();
  await postgres?.stop();
});
beforeEach(({ skip }) => skip("missing" in available, "missing" in available ? available.missing : ""));

const call = (what: string, options: Ask = {}): Promise<Answer> => ask(bao, what, options);
const asRoot = (what: string, body?: object) => call(what, { token: bao.rootToken, ...(body && { body }) });

function login(role: string, claims: Record<string, unknown>): Promise<Answer> {
  return call("POST auth/sallyport-jwt/login", { body: { role, jwt: platform.token(claims) } });
}

async function tokenOf(name: Name): Promise<string> {
  const { json } = await login(name, instances[name].claims);
  return json.auth?.client_token ?? expect.fail(`${name} cannot log in: ${json.errors}`);
}

/** As a broker's start does: a wrapped secret_id under the instance's own login, unwrapped, and logged in with. */
async function brokerLogin(): Promise<{ body: object; answer: Answer }> {
  const wrapped = await call(`POST ${secretIdPath}`, { token: await tokenOf("broker-1"), wrap: "5m" });
  const unwrapped = await call("POST sys/wrapping/unwrap", { token: wrapped.json.wrap_info?.token });
  const { role_id } = await terraform.output<{ role_id: string }>();
  const body = { role_id, secret_id: unwrapped.json.data?.secret_id };
  return { body, answer: await call("POST auth/approle/login", { body }) };
}

const brokerToken = async () => (await brokerLogin()).answer.json.auth?.client_token ?? "";

describe("what Terraform makes", { timeout: 120_000 }, () => {
  it("is all there after one apply: a second plan has nothing to do", async () => {
    expect(await terraform.plan(variables)).toEqual([]);
  });

  it("would be put right again if somebody widened a policy by hand", async () => {
    const path = "sys/policies/acl/sallyport-broker";
    await asRoot(`POST ${path}`, { policy: 'path "*" { capabilities = ["read"] }' });
    expect(await terraform.plan(variables)).toEqual(["update vault_policy.broker: policy"]);
    await terraform.apply(variables);
    expect(await terraform.plan(variables)).toEqual([]);
  });

  it("is for the broker what the local stack makes", async () => {
    const local = await startOpenBao();
    await provisionVault({ address: local.url, token: local.rootToken, postgres });
    const both = async (here: string, there = here) => {
      const [one, other] = await Promise.all([
        ask(bao, `GET ${here}`, { token: bao.rootToken }),
        ask(local, `GET ${there}`, { token: local.rootToken }),
      ]);
      return [one.json.data, other.json.data] as const;
    };
    const [policy, localPolicy] = await both("sys/policies/acl/sallyport-broker");
    expect(policy?.policy).toBe(localPolicy?.policy);
    const [role, localRole] = await both("auth/approle/role/sallyport-broker");
    const bound = { secret_id_bound_cidrs: ["127.0.0.1/32"], token_bound_cidrs: ["127.0.0.1"] };
    expect(role).toEqual({ ...localRole, ...bound });
    const [user, localUser] = await both(
      "database/roles/sallyport-shop",
      "database/roles/sallyport-readonly",
    );
    expect({ ...user, db_name: "" }).toEqual({ ...localUser, db_name: "" });
    await local.stop();
  });

  it("is planned with the variables that the guide shows", async () => {
    const example = join(root, "example.tfvars");
    const guide = readFileSync(join(root, "../../docs/guides/bring-your-vault.md"), "utf8");
    expect(guide).toContain(`# example.tfvars\n${readFileSync(example, "utf8")}`);
    const roles = 'create vault_jwt_auth_backend_role.instance["edge-1"]';
    const password = { TF_VAR_database_passwords: '{"shop":"p"}' };
    const fresh = await openRoot("program" in available ? available.program : "", bao, password);
    expect(await fresh.plan(example)).toContain(roles);
    await fresh.close();
  });

  it("refuses variables that would open a door", async () => {
    const runs = readFileSync(join(root, "tests/refused.tftest.hcl"), "utf8").match(/^run "/gm)?.length;
    expect(await terraform.test()).toContain(`${runs} passed, 0 failed`);
  });
});

describe("an instance's login", () => {
  it("is good for its own role, and no other instance's", async () => {
    const got = await Promise.all(
      names.flatMap((name) =>
        names.map(async (role) => ({
          name,
          role,
          in: (await login(role, instances[name].claims)).status === 200,
        })),
      ),
    );
    expect(got.filter((one) => one.in).map(({ name, role }) => `${name} as ${role}`)).toEqual(
      names.map((name) => `${name} as ${name}`),
    );
  });

  it.each([
    ["for another audience", { aud: "somebody-else" }],
    ["of another issuer", { iss: "https://elsewhere.example" }],
    ["that is over", { exp: Math.floor(Date.now() / 1000) - 600 }],
    ["without the site", { site: undefined }],
    ["with several sites, its own among them", { site: ["rome", "oslo"] }],
  ])("is refused with a token %s", async (_, claims) => {
    const answer = await login("paris", { ...instances.paris.claims, ...claims });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.json.auth).toBeUndefined();
  });

  it("is refused with a token that somebody else signed", async () => {
    const jwt = new Platform().token(instances.paris.claims);
    const answer = await call("POST auth/sallyport-jwt/login", { body: { role: "paris", jwt } });
    expect(answer.status).toBeGreaterThanOrEqual(400);
  });

  it("lasts five minutes and cannot be renewed", async () => {
    const { json } = await login("paris", instances.paris.claims);
    expect(json.auth).toMatchObject({ lease_duration: 300, renewable: false });
  });
});

describe("what each may do", () => {
  it.each(Object.keys(may) as (keyof typeof may)[])(
    "%s: what its row says, and 403 to the rest",
    async (who) => {
      const token = who === "the broker" ? await brokerToken() : await tokenOf(who);
      await asRoot("POST secret/data/sallyport/crm", { data: { token: "t" } });
      const allowed: string[] = [];
      for (const path of sharedPaths) {
        const wrap = path.endsWith(secretIdPath) ? { wrap: "5m" } : {};
        const body = path.startsWith("POST") ? { body: { type: "kv", policy: "" } } : {};
        const { status } = await call(path, { token, ...wrap, ...body });
        // A question that is allowed and makes no sense (nothing to decrypt) is answered 400, never 403.
        if (status !== 403) allowed.push(path);
      }
      expect(allowed).toEqual(sharedPaths.filter((path) => may[who].includes(path)));
    },
  );
});

describe("the broker", () => {
  it("logs in with a secret_id that was fetched, wrapped, by whoever starts it", async () => {
    const { answer } = await brokerLogin();
    expect(answer.json.auth?.policies).toEqual(["sallyport-broker"]);
  });

  it("leases a database user that connects, reads, and is gone with its lease", async () => {
    const token = await brokerToken();
    const { json } = await call("GET database/creds/sallyport-shop", { token });
    const { host, port, database } = postgres;
    const asUser = { user: String(json.data?.username), password: String(json.data?.password) };
    const client = new Client({ host, port, database, ...asUser });
    await client.connect();
    expect((await client.query("select id from parcels")).rows).toEqual([{ id: 7 }]);
    await client.end();
    await call("POST auth/token/revoke-self", { token });
  });

  it("is refused from another address than its network's, with a good secret_id and with a stolen token", async () => {
    const { body, answer } = await brokerLogin();
    expect((await call("POST auth/approle/login", { body, from: "127.0.0.2" })).status).toBe(400);
    expect((await call("POST auth/approle/login", { body })).status).toBe(200);
    const token = answer.json.auth?.client_token;
    expect((await call("GET auth/token/lookup-self", { token, from: "127.0.0.2" })).status).toBe(403);
    expect((await call("GET auth/token/lookup-self", { token })).status).toBe(200);
  });

  it("is started with a secret_id that is wrapped, for five minutes at most, and comes out once", async () => {
    const token = await tokenOf("broker-1");
    expect((await call(`POST ${secretIdPath}`, { token })).status).toBe(403);
    expect((await call(`POST ${secretIdPath}`, { token, wrap: "6m" })).status).toBe(403);
    const wrapped = await call(`POST ${secretIdPath}`, { token, wrap: "5m" });
    const unwrap = () => call("POST sys/wrapping/unwrap", { token: wrapped.json.wrap_info?.token });
    expect((await unwrap()).json.data).toHaveProperty("secret_id");
    expect((await unwrap()).status).toBe(400);
  });
});

describe("an instance's files", () => {
  it("are encrypted by who deploys, and decrypted by that instance alone", async () => {
    const plaintext = Buffer.from("SUAM… the seed of its NATS user").toString("base64");
    const { json } = await asRoot("POST sallyport-files/encrypt/paris", { plaintext });
    const body = { ciphertext: json.data?.ciphertext };
    const own = await call("POST sallyport-files/decrypt/paris", { token: await tokenOf("paris"), body });
    expect(own.json.data?.plaintext).toBe(plaintext);
    const others = await call("POST sallyport-files/decrypt/rome", { token: await tokenOf("rome"), body });
    expect(others).toMatchObject({ status: 400 });
  });
});

describe("a certificate", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-certificate-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The key stays here; what is signed is the request. */
  function request(subject: string, names: string): string {
    const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"];
    const asked = ["-subj", subject, "-addext", `subjectAltName=${names}`];
    return execFileSync(openssl, ["req", "-new", ...made, ...asked], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  }
  const signed = async (names: string, name: Name = "relay-1"): Promise<Answer> =>
    call(`POST sallyport-pki/sign/${name}`, {
      token: await tokenOf(name),
      body: { csr: request("/CN=relay.example.com", names) },
    });

  it("for the relay's own name is what clients check it by", async () => {
    const { json } = await signed("DNS:relay.example.com");
    const { ca_pem: ca } = await terraform.output<{ ca_pem: string }>();
    const cert = String(json.data?.certificate);
    writeFileSync(join(folder, "cert.pem"), cert);
    const server = createServer({ cert, key: readFileSync(join(folder, "key.pem")) }, (socket) =>
      socket.end("hello"),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const dial = (servername: string) =>
      new Promise<string>((resolve) => {
        const socket = connect({ port, host: "127.0.0.1", ca, servername });
        socket.once("data", (data) => resolve(data.toString()));
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
      });
    expect(await dial("relay.example.com")).toBe("hello");
    expect(await dial("agents.example.com")).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    await new Promise((resolve) => server.close(resolve));
  });

  it.each([
    ["another instance's name", "DNS:agents.example.com"],
    ["a name below its own", "DNS:x.relay.example.com"],
    ["its own name and another", "DNS:relay.example.com,DNS:vault.example.com"],
    ["every name", "DNS:*.example.com"],
    ["an address", "IP:10.0.0.1"],
    ["localhost", "DNS:localhost"],
    ["a URI", "URI:spiffe://example.com/edge"],
  ])("is refused for %s", async (_, names) => {
    expect(await signed(names)).toMatchObject({ status: 400 });
  });
});

describe("a server that has mounts of its own", { timeout: 300_000 }, () => {
  it("keeps them when Sallyport's part goes; keys go only when that is said", async () => {
    if ("missing" in available) return;
    const theirs = await startOpenBao();
    const asTheirs = (what: string, body?: object) =>
      ask(theirs, what, { token: theirs.rootToken, ...(body && { body }) });
    await asTheirs("POST sys/mounts/secret", { type: "kv", options: { version: "2" } });
    await asTheirs("POST sys/auth/approle", { type: "approle" });
    const written = async () =>
      (await asTheirs("POST secret/data/payroll", { data: { a: "b" } })).status === 200;
    await until("their engine taking a secret", written, { within: 10_000 });
    const state = async () => {
      const asked = ["GET sys/mounts", "GET sys/auth", "LIST sys/policies/acl", "LIST auth/approle/role"];
      const answers = await Promise.all(asked.map((path) => asTheirs(path)));
      return answers.map(({ json }) => json.data);
    };
    const before = await state();
    const theirRoot = await openRoot(available.program, theirs);
    const all = { ...variables, existing_mounts: ["approle", "secret"] };
    await theirRoot.apply(all);
    expect(await theirRoot.plan(all)).toEqual([]);
    await expect(theirRoot.destroy(all)).rejects.toThrow(/deletion is not allowed/);
    await theirRoot.apply({ ...all, allow_destroy: true });
    await theirRoot.destroy({ ...all, allow_destroy: true });
    expect(await state()).toEqual(before);
    expect((await asTheirs("GET secret/data/payroll")).json.data?.data).toEqual({ a: "b" });
    await theirRoot.close();
    await theirs.stop();
  });
});
