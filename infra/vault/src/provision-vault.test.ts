import {
  leakCheck,
  type OpenBao,
  type Postgres,
  startOpenBao,
  startPostgres,
  until,
} from "@sallyport/testkit";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectionUrl } from "./connect-database.ts";
import { type Provisioned, provisionVault, vaultNames } from "./provision-vault.ts";

afterAll(leakCheck);

let bao: OpenBao;
let postgres: Postgres;
let provisioned: Provisioned;

beforeAll(async () => {
  [bao, postgres] = await Promise.all([startOpenBao(), startPostgres()]);
  await postgres.query("create table parcels (id int); insert into parcels values (7)");
  provisioned = await provision();
});
afterAll(async () => {
  await bao.stop();
  await postgres.stop();
});

function provision(): Promise<Provisioned> {
  const secrets = { "sallyport/orders-api": { token: "t0ken" } };
  return provisionVault({ address: bao.url, token: bao.rootToken, postgres, secrets });
}

interface Answer {
  readonly status: number;
  readonly json: {
    data?: Record<string, unknown>;
    auth?: Record<string, unknown>;
    lease_id?: string;
    errors?: string[];
  };
}

async function api(token: string, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${bao.url}/v1/${path}`, {
    method,
    headers: token === "" ? {} : { "x-vault-token": token },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? {} : (JSON.parse(text) as Answer["json"]) };
}

async function login(): Promise<{ token: string; auth: Record<string, unknown> }> {
  const unwrapped = await api(await provisioned.wrappedSecretId(), "POST", "sys/wrapping/unwrap");
  const body = { role_id: provisioned.roleId, secret_id: unwrapped.json.data?.secret_id };
  const { json } = await api("", "POST", "auth/approle/login", body);
  return { token: String(json.auth?.client_token), auth: json.auth ?? {} };
}

interface Lease {
  readonly id: string;
  readonly user: string;
  readonly password: string;
}

/** One statement, or several, on a connection of that user's own. */
async function query(login: { user: string; password: string }, sql: string): Promise<unknown[]> {
  const { host, port, database } = postgres;
  const client = new Client({ host, port, database, ...login });
  client.on("error", () => {}); // its end is what a test is about; the query says so too
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function leaseUser(token: string): Promise<Lease> {
  const { json } = await api(token, "GET", `database/creds/${vaultNames.databaseRole}`);
  return {
    id: json.lease_id ?? "",
    user: String(json.data?.username),
    password: String(json.data?.password),
  };
}

describe("the broker's login", () => {
  it("takes its secret_id out of the wrapping token once; who comes second is refused", async () => {
    const wrapping = await provisioned.wrappedSecretId();
    const first = await api(wrapping, "POST", "sys/wrapping/unwrap");
    expect(typeof first.json.data?.secret_id).toBe("string");
    expect((await api(wrapping, "POST", "sys/wrapping/unwrap")).status).toBe(400);
  });

  it("gives a token of 20 minutes with one policy, which can renew itself, and after its end can be had again", async () => {
    const unwrapped = await api(await provisioned.wrappedSecretId(), "POST", "sys/wrapping/unwrap");
    const body = { role_id: provisioned.roleId, secret_id: unwrapped.json.data?.secret_id };
    const { json } = await api("", "POST", "auth/approle/login", body);
    expect(json.auth).toMatchObject({ policies: [vaultNames.policy], lease_duration: 1200, renewable: true });
    const token = String(json.auth?.client_token);
    expect((await api(token, "POST", "auth/token/renew-self", {})).status).toBe(200);
    expect((await api(token, "POST", "auth/token/revoke-self", {})).status).toBe(204);
    expect((await api(token, "GET", "auth/token/lookup-self")).status).toBe(403);
    expect((await api("", "POST", "auth/approle/login", body)).status).toBe(200);
  });

  it("is refused with another secret_id, and without one", async () => {
    const role_id = provisioned.roleId;
    expect((await api("", "POST", "auth/approle/login", { role_id, secret_id: "guess" })).status).toBe(400);
    expect((await api("", "POST", "auth/approle/login", { role_id })).status).toBe(400);
  });

  it("is bounded in time and uses", async () => {
    const role = await api(bao.rootToken, "GET", `auth/approle/role/${vaultNames.approle}`);
    expect(role.json.data).toMatchObject({
      secret_id_ttl: 2_592_000,
      secret_id_num_uses: 100,
      token_max_ttl: 86_400,
    });
  });
});

describe("the broker's token", () => {
  it("reads the secret it is there for", async () => {
    const { token } = await login();
    const { json } = await api(token, "GET", "secret/data/sallyport/orders-api");
    expect(json.data?.data).toEqual({ token: "t0ken" });
  });

  it.each([
    ["read another secret", "GET", "secret/data/payroll"],
    ["read a secret whose path only begins alike", "GET", "secret/data/sallyport-other/x"],
    ["list secrets", "GET", "secret/metadata/sallyport?list=true"],
    ["write a secret", "POST", "secret/data/sallyport/orders-api"],
    ["delete a secret", "DELETE", "secret/data/sallyport/orders-api"],
    ["read another database role", "GET", "database/creds/other"],
    ["read the database connection", "GET", `database/config/${vaultNames.databaseConnection}`],
    ["change a database role", "POST", `database/roles/${vaultNames.databaseRole}`],
    ["read its own policy", "GET", `sys/policies/acl/${vaultNames.policy}`],
    ["write a policy", "POST", `sys/policies/acl/${vaultNames.policy}`],
    ["make a token", "POST", "auth/token/create"],
    ["make an orphan token", "POST", "auth/token/create-orphan"],
    ["make a secret_id", "POST", `auth/approle/role/${vaultNames.approle}/secret-id`],
    ["change its AppRole", "POST", `auth/approle/role/${vaultNames.approle}`],
    ["mount an engine", "POST", "sys/mounts/mine"],
    ["seal the server", "POST", "sys/seal"],
    ["keep things in a cubbyhole", "POST", "cubbyhole/mine"],
    ["list leases", "GET", "sys/leases/lookup/database/creds/?list=true"],
    ["revoke leases by prefix", "POST", "sys/leases/revoke-prefix/database/creds"],
  ])("may not %s", async (_, method, path) => {
    const { token } = await login();
    const answer = await api(token, method, path, method === "POST" ? { policy: "", type: "kv" } : undefined);
    expect(answer).toMatchObject({
      status: 403,
      json: { errors: [expect.stringContaining("permission denied")] },
    });
  });

  it.each(["sys/leases/revoke", "sys/leases/renew"])(
    "may name no lease but the broker's own kind at %s",
    async (path) => {
      const { token } = await login();
      for (const lease_id of ["database/creds/other/abc", "auth/approle/login/abc"]) {
        expect((await api(token, "POST", path, { lease_id })).status).toBe(403);
      }
      expect((await api(token, "POST", `${path}/database/creds/other/abc`, {})).status).toBe(403);
      expect((await api(token, "POST", path, {})).status).toBe(403);
    },
  );
});

describe("a database user", () => {
  it("connects, reads, and can't write even when it leaves its read-only mode", async () => {
    const { token } = await login();
    const user = await leaseUser(token);
    const asUser = { user: user.user, password: user.password };
    expect(await query(asUser, "select id from parcels")).toEqual([{ id: 7 }]);
    await expect(query(asUser, "create temp table mine (id int)")).rejects.toThrow(/read-only/);
    const write = "begin read write; insert into parcels values (8)";
    await expect(query(asUser, write)).rejects.toThrow(/permission denied/);
    await expect(query(asUser, 'create role "other"')).rejects.toThrow(/read-only|permission denied/);
    await api(token, "POST", "sys/leases/revoke", { lease_id: user.id, sync: true });
  });

  it("lives 40 s, and longer when the broker renews its lease", async () => {
    const { token } = await login();
    const user = await leaseUser(token);
    const left = "extract(epoch from rolvaliduntil - now())::float8 as seconds";
    const secondsLeft = async () => {
      const [row] = await postgres.query(`select ${left} from pg_roles where rolname = '${user.user}'`);
      return row?.seconds;
    };
    expect(await secondsLeft()).toBeLessThan(60);
    const renewed = await api(token, "POST", "sys/leases/renew", { lease_id: user.id, increment: 300 });
    expect(renewed).toMatchObject({ status: 200, json: { lease_duration: 300 } });
    expect(await secondsLeft()).toBeGreaterThan(200);
    await api(token, "POST", "sys/leases/revoke", { lease_id: user.id, sync: true });
  });

  it("is gone with its open sessions once its lease is revoked", async () => {
    const { token } = await login();
    const user = await leaseUser(token);
    const sleeping = query({ user: user.user, password: user.password }, "select pg_sleep(60)").then(
      () => "finished",
      (error: unknown) => String(error),
    );
    const sessions = `select count(*)::int as open from pg_stat_activity where usename = '${user.user}'`;
    const open = async () => (await postgres.query(sessions))[0]?.open;
    await until("its session", async () => (await open()) === 1, { within: 5_000 });
    const revoked = await api(token, "POST", "sys/leases/revoke", { lease_id: user.id, sync: true });
    expect(revoked.status).toBe(204);
    expect(await sleeping).toMatch(/terminating connection/);
    expect(await postgres.query(`select 1 from pg_roles where rolname = '${user.user}'`)).toEqual([]);
    await expect(query({ user: user.user, password: user.password }, "select 1")).rejects.toThrow(
      /authentication/,
    );
  });

  it("is gone too when the broker's token is revoked: a leaked one takes its users with it", async () => {
    const { token } = await login();
    const user = await leaseUser(token);
    await api(token, "POST", "auth/token/revoke-self", {});
    const gone = async () =>
      (await postgres.query(`select 1 from pg_roles where rolname = '${user.user}'`)).length === 0;
    await until("its user going", gone, { within: 5_000 });
  });
});

describe("provisioning", () => {
  it("may be done again, and leaves logins as they are", async () => {
    const { token } = await login();
    expect((await provision()).roleId).toBe(provisioned.roleId);
    expect((await api(token, "GET", "secret/data/sallyport/orders-api")).status).toBe(200);
  });

  it.each(["payroll/x", "sallyport", "sallyport/../payroll", "sallyport/a?b", "Sallyport/x", ""])(
    "refuses a secret at %j, where the broker could not read it",
    async (path) => {
      const options = { address: bao.url, token: bao.rootToken, secrets: { [path]: { token: "t" } } };
      await expect(provisionVault(options)).rejects.toThrow("the broker may read");
    },
  );

  it("says what Vault said, without the password, when the database can't be reached", async () => {
    const away = { ...postgres, password: "not-the-password" };
    const failure = provisionVault({ address: bao.url, token: bao.rootToken, postgres: away });
    await expect(failure).rejects.toThrow(
      /Vault answered 400 to POST database\/config\/sallyport: .*password authentication/,
    );
    await expect(failure).rejects.not.toThrow(/not-the-password/);
  });

  it("is refused with a token that may not do it", async () => {
    const { token } = await login();
    await expect(provisionVault({ address: bao.url, token })).rejects.toThrow(/Vault answered 403/);
  });

  it("leaves an engine of another kind at its place, and fails", async () => {
    const other = await startOpenBao();
    await fetch(`${other.url}/v1/sys/mounts/secret`, {
      method: "POST",
      headers: { "x-vault-token": other.rootToken },
      body: JSON.stringify({ type: "kv", options: { version: "1" } }),
    });
    const failure = provisionVault({ address: other.url, token: other.rootToken });
    await expect(failure).rejects.toThrow("Vault has kv version 1 mounted at secret/");
    await other.stop();
  });
});

describe("the address of the database", () => {
  it.each([
    ["127.0.0.1", "@127.0.0.1:5432/db?sslmode=disable"],
    ["::1", "@[::1]:5432/db?sslmode=disable"],
    ["db.example", "@db.example:5432/db?sslmode=verify-full"],
    ["10.0.0.5", "@10.0.0.5:5432/db?sslmode=verify-full"],
  ])("of %s asks for verified TLS unless it is the loopback address", (host, rest) => {
    expect(connectionUrl({ host, port: 5432, database: "db" })).toBe(
      `postgresql://{{username}}:{{password}}${rest}`,
    );
  });
});
