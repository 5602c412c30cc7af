import { readFile, rename, writeFile } from "node:fs/promises";
import { until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Vault } from "./connection.ts";
import { VaultFailure } from "./failure.ts";
import { kvSource } from "./kv-source.ts";
import { openFixtureVault, startVaultFixture, type VaultFixture } from "./vault.fixture.ts";

let fixture: VaultFixture;
const open: Vault[] = [];

beforeAll(async () => {
  fixture = await startVaultFixture();
  await fixture.admin("POST", "secret/data/apps/crm", { data: { token: "crm-token-1", user: "crm" } });
  await fixture.admin("POST", "secret/data/apps/numbers", { data: { token: 7 } });
});
afterAll(() => fixture.close());
afterEach(() => {
  for (const vault of open.splice(0)) vault.close();
});

async function connected(options: Parameters<typeof openFixtureVault>[1] = {}): Promise<Vault> {
  const vault = await openFixtureVault(fixture, options);
  open.push(vault);
  return vault;
}

const crm = { mount: "secret", path: "apps/crm", field: "token", ttlSeconds: 300 };
const read = (vault: Vault, spec = crm) => kvSource(vault, spec).lease(new AbortController().signal);

/** How a read fails, and after how many milliseconds. */
async function failing(vault: Vault, spec = crm): Promise<{ problem: string; ms: number }> {
  const start = performance.now();
  const thrown = await read(vault, spec).then(
    () => expect.unreachable("it was answered"),
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(VaultFailure);
  return { problem: (thrown as VaultFailure).problem, ms: performance.now() - start };
}

test("a static credential is read from KV, with its user name where one is configured", async () => {
  const vault = await connected();
  expect(await read(vault)).toEqual({ material: { value: "crm-token-1" }, ttlSeconds: 300 });
  const basic = await read(vault, { ...crm, usernameField: "user" } as typeof crm);
  expect(basic.material).toEqual({ value: "crm-token-1", username: "crm" });
});

test("a path with nothing, a field with nothing, and a path that the policy forbids are told apart", async () => {
  const vault = await connected();
  expect((await failing(vault, { ...crm, path: "apps/none" })).problem).toBe("missing");
  expect((await failing(vault, { ...crm, field: "none" })).problem).toBe("missing");
  expect((await failing(vault, { ...crm, path: "apps/numbers" })).problem).toBe("missing");
  expect((await failing(vault, { ...crm, path: "other/crm" })).problem).toBe("denied");
  expect(vault.problem()).toBeUndefined();
});

test("a refusal by policy makes no new login", async () => {
  const vault = await connected();
  const logins = async () =>
    (await readFile(fixture.bao.auditFile, "utf8")).match(/"path":"auth\/approle\/login"/g)?.length ?? 0;
  const before = await logins();
  expect((await failing(vault, { ...crm, path: "other/crm" })).problem).toBe("denied");
  expect(await logins()).toBe(before);
});

test("a revoked token is replaced by one new login, and the call succeeds", async () => {
  const vault = await connected();
  await revokeTokensOf(fixture);
  expect((await read(vault)).material.value).toBe("crm-token-1");
});

test("a token that cannot be replaced gives `denied` within a second, and a restored role is noticed", async () => {
  const vault = await connected({ nextTry: (_refusals, now) => now + 1_000 });
  await revokeTokensOf(fixture);
  await fixture.admin("POST", "auth/approle/role/broker", {
    bind_secret_id: true,
    secret_id_bound_cidrs: "192.0.2.1/32",
  });
  const failed = await failing(vault);
  expect(failed.problem).toBe("denied");
  expect(failed.ms).toBeLessThan(1_000);
  expect(vault.problem()).toMatch(/role_id or secret_id/);
  await fixture.admin("POST", "auth/approle/role/broker", { secret_id_bound_cidrs: "" });
  await until("the login working again", () => vault.problem() === undefined, { within: 5_000 });
  expect((await read(vault)).material.value).toBe("crm-token-1");
});

/** Vault's answers to logins with a role_id, by the audit device: how many were refused. */
async function refusedLogins(): Promise<number> {
  const lines = (await readFile(fixture.bao.auditFile, "utf8")).split("\n");
  return lines.filter(
    (line) => line.includes('"type":"response"') && /approle\/login/.test(line) && /"error":/.test(line),
  ).length;
}

async function lookups(): Promise<number> {
  return (
    (await readFile(fixture.bao.auditFile, "utf8")).match(/"path":"auth\/token\/lookup-self"/g)?.length ?? 0
  );
}

test("a refused login does not lock its AppRole out, and a new secret_id takes effect by itself", async () => {
  const own = await fixture.withOwnRole("rotated");
  let wanted = 0;
  const onLogin = () => {
    wanted += 1;
  };
  const vault = await openFixtureVault(own, { onLogin, nextTry: () => Infinity });
  open.push(vault);
  await revokeTokensOf(fixture);
  await destroySecretId(own);
  const before = { refused: await refusedLogins(), lookups: await lookups() };
  expect((await failing(vault)).problem).toBe("denied");
  await until("twenty wishes to log in", () => wanted >= 20, { within: 5_000 });
  // A dead token is looked at once, not twice a second for hours.
  expect((await lookups()) - before.lookups).toBeLessThan(5);
  expect((await refusedLogins()) - before.refused).toBe(1);
  await writeFile(own.secretIdFile, await newSecretId("rotated"));
  await until("the new secret_id's effect", () => vault.problem() === undefined, { within: 2_000 });
  expect((await read(vault)).material.value).toBe("crm-token-1");
});

test("a new wrapping token takes effect by itself once the secret_id in memory is refused, not before", async () => {
  const own = await fixture.withOwnRole("rewrapped");
  const secretIdWrapped = await own.wrapSecretId();
  const vault = await openFixtureVault(own, { secretIdWrapped });
  open.push(vault);
  // One that is no good lies there, as for a next start that did not come.
  await writeFile(secretIdWrapped, "no-such-token");
  await revokeTokensOf(fixture);
  expect((await read(vault)).material.value).toBe("crm-token-1");
  await revokeTokensOf(fixture);
  await fixture.admin("POST", "auth/approle/role/rewrapped", { secret_id_bound_cidrs: "192.0.2.1/32" });
  expect((await failing(vault)).problem).toBe("denied");
  await fixture.admin("POST", "auth/approle/role/rewrapped", { secret_id_bound_cidrs: "" });
  await rename(await own.wrapSecretId(), secretIdWrapped);
  await until("the new token's effect", () => vault.problem() === undefined, { within: 2_000 });
  await expect(openFixtureVault(own, { secretIdWrapped })).rejects.toThrow(/was used before/);
});

test("a Vault that is sealed or away is known while nobody calls, and so is its return", async () => {
  const vault = await connected({ times: { watchMs: 100 } });
  await fixture.bao.seal();
  await until("sealed", () => vault.problem() === "Vault is sealed", { within: 3_000 });
  await fixture.bao.unseal();
  await until("the return", () => vault.problem() === undefined, { within: 5_000 });
  await fixture.bao.kill();
  await until("away", () => /no answer/.test(vault.problem() ?? ""), { within: 3_000 });
  await fixture.bao.restart();
  await until("the return", () => vault.problem() === undefined, { within: 5_000 });
});

test("a Vault that answers nothing is known while nobody calls", async () => {
  const vault = await connected({ times: { callMs: 300, watchMs: 100 } });
  await fixture.bao.kill("SIGSTOP");
  try {
    await until("no answer in time", () => /in time/.test(vault.problem() ?? ""), { within: 3_000 });
  } finally {
    await fixture.bao.kill("SIGCONT");
  }
  await until("the return", () => vault.problem() === undefined, { within: 5_000 });
});

test("a sealed Vault is `sealed` at once, and its unsealing is noticed without a restart", async () => {
  const vault = await connected();
  await fixture.bao.seal();
  const first = await failing(vault);
  expect(first).toMatchObject({ problem: "sealed" });
  expect(first.ms).toBeLessThan(1_000);
  expect(vault.problem()).toMatch(/seal|503/);
  await fixture.bao.unseal();
  await until("the return", () => vault.problem() === undefined, { within: 5_000 });
  expect((await read(vault)).material.value).toBe("crm-token-1");
});

test("a Vault that is away is `away` at once, and its return is noticed without a restart", async () => {
  const vault = await connected();
  await fixture.bao.kill();
  expect((await failing(vault)).problem).toBe("away");
  const known = await failing(vault);
  expect(known.problem).toBe("away");
  expect(known.ms).toBeLessThan(50);
  await fixture.bao.restart();
  await until("the return", () => vault.problem() === undefined, { within: 5_000 });
  expect((await read(vault)).material.value).toBe("crm-token-1");
});

test("a Vault that answers nothing is `slow` within a second, then at once, and its return is noticed", async () => {
  const vault = await connected({ times: { callMs: 300 } });
  await fixture.bao.kill("SIGSTOP");
  try {
    const first = await failing(vault);
    expect(first).toMatchObject({ problem: "slow" });
    expect(first.ms).toBeLessThan(1_000);
    await until("the outage being known", () => vault.problem(), { within: 2_000 });
    expect((await failing(vault)).ms).toBeLessThan(50);
  } finally {
    await fixture.bao.kill("SIGCONT");
  }
  await until("the return", () => vault.problem() === undefined, { within: 5_000 });
  expect((await read(vault)).material.value).toBe("crm-token-1");
});

test("the token is renewed before it ends, so an idle broker keeps it", async () => {
  await fixture.admin("POST", "auth/approle/role/broker", { token_policies: "broker", token_period: "3s" });
  try {
    const vault = await connected();
    const renewals = async () =>
      (await readFile(fixture.bao.auditFile, "utf8")).match(/auth\/token\/renew-self/g)?.length ?? 0;
    const before = await renewals();
    await until("a renewal", async () => (await renewals()) > before, { within: 4_000 });
    expect((await read(vault)).material.value).toBe("crm-token-1");
  } finally {
    await fixture.admin("POST", "auth/approle/role/broker", { token_policies: "broker", token_period: "1h" });
  }
});

test("a wrapped secret_id is unwrapped once; a second start with the same wrapping token says who may have it", async () => {
  const secretIdWrapped = await fixture.wrapSecretId();
  const vault = await connected({ secretIdWrapped });
  expect((await read(vault)).material.value).toBe("crm-token-1");
  await revokeTokensOf(fixture);
  expect((await read(vault)).material.value).toBe("crm-token-1"); // the secret_id stays in memory
  await expect(connected({ secretIdWrapped })).rejects.toThrow(/somebody else may have unwrapped/);
});

test("a wrapping token that wraps something else is refused without being unwrapped", async () => {
  const secretIdWrapped = await fixture.wrapSecretId();
  const other = await fixture.admin(
    "POST",
    "sys/wrapping/wrap",
    { secret_id: "planted" },
    { "x-vault-wrap-ttl": "60s" },
  );
  await writeFile(secretIdWrapped, (other.wrap_info as { token: string }).token);
  await expect(connected({ secretIdWrapped })).rejects.toThrow(
    /does not wrap a secret_id: it was made at sys\/wrapping\/wrap/,
  );
});

test("a boot without a Vault gives up after its patience, and a wrong secret_id at once", async () => {
  await expect(
    connected({ address: "http://127.0.0.1:1", times: { patienceMs: 100 } }),
  ).rejects.toMatchObject({ problem: "away" });
  const wrong = { ...fixture, secretIdFile: `${fixture.folder}/wrong` };
  await writeFile(wrong.secretIdFile, "no-such-secret-id", { mode: 0o600 });
  await expect(openFixtureVault(wrong)).rejects.toThrow(/refuses the broker's role_id or secret_id/);
});

/** Every token of the broker's role, by accessor. */
async function revokeTokensOf({ admin }: VaultFixture): Promise<void> {
  const list = await admin("GET", "auth/token/accessors?list=true");
  for (const accessor of (list.data as { keys: string[] }).keys) {
    const { data } = await admin("POST", "auth/token/lookup-accessor", { accessor });
    if ((data as { path: string }).path !== "auth/approle/login") continue;
    await admin("POST", "auth/token/revoke-accessor", { accessor });
  }
}

async function destroySecretId({ admin, secretIdFile }: VaultFixture): Promise<void> {
  const secret_id = (await readFile(secretIdFile, "utf8")).trim();
  await admin("POST", "auth/approle/role/rotated/secret-id/destroy", { secret_id });
}

async function newSecretId(role: string): Promise<string> {
  const { data } = await fixture.admin("POST", `auth/approle/role/${role}/secret-id`, {});
  return (data as { secret_id: string }).secret_id;
}
