import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { trace } from "@opentelemetry/api";
import { SecretFile } from "@sallyport/runtime";
import { type OpenBao, startOpenBao } from "@sallyport/testkit";
import { vaultClient } from "./client.ts";
import { connectVault, type Vault, type VaultTimes } from "./connection.ts";
import { type NextTry, patientLogin } from "./login-gate.ts";

const policy = `
path "secret/data/apps/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
`;

export interface VaultFixture {
  bao: OpenBao;
  /** A call with the root token. */
  admin(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body?: object,
    headers?: object,
  ): Promise<Record<string, unknown>>;
  folder: string;
  roleIdFile: string;
  secretIdFile: string;
  /** A fresh wrapping token for a secret_id, in a file. */
  wrapSecretId(): Promise<string>;
  /** The same Vault with a role that only one test uses. */
  withOwnRole(name: string): Promise<VaultFixture>;
  close(): Promise<void>;
}

/** A real OpenBao with KV, AppRole and the broker's policy. */
export async function startVaultFixture(): Promise<VaultFixture> {
  const bao = await startOpenBao();
  const folder = await mkdtemp(join(tmpdir(), "broker-vault-"));
  const admin: VaultFixture["admin"] = async (method, path, body, headers) => {
    const response = await fetch(`${bao.url}/v1/${path}`, {
      method,
      headers: { "x-vault-token": bao.rootToken, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  };
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  await admin("POST", "sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await admin("POST", "sys/auth/approle", { type: "approle" });
  await admin("POST", "sys/policies/acl/broker", { policy });
  const withRole = async (name: string): Promise<VaultFixture> => {
    const at = `auth/approle/role/${name}`;
    await admin("POST", at, { token_policies: "broker", token_period: "1h" });
    const role = (await admin("GET", `${at}/role-id`)).data as { role_id: string };
    const secret = (await admin("POST", `${at}/secret-id`, {})).data as { secret_id: string };
    let wrapped = 0;
    return {
      bao,
      admin,
      folder,
      roleIdFile: await file(`${name}-role-id`, `${role.role_id}\n`),
      secretIdFile: await file(`${name}-secret-id`, `${secret.secret_id}\n`),
      wrapSecretId: async () => {
        const reply = await admin("POST", `${at}/secret-id`, {}, { "x-vault-wrap-ttl": "60s" });
        wrapped += 1;
        return await file(`${name}-wrapped-${wrapped}`, `${(reply.wrap_info as { token: string }).token}\n`);
      },
      withOwnRole: withRole,
      close: async () => {
        await bao.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  };
  return await withRole("broker");
}

export const quiet = { info: () => {}, warn: () => {}, error: () => {} };

/** The broker's own connection to that server. */
export async function openFixtureVault(
  fixture: VaultFixture,
  options: {
    secretIdWrapped?: string;
    address?: string;
    times?: Partial<VaultTimes>;
    nextTry?: NextTry;
    /** Told each time that the broker wants to log in, whether Vault is asked or not. */
    onLogin?: () => void;
  } = {},
): Promise<Vault> {
  const client = vaultClient({ address: options.address ?? fixture.bao.url }, trace.getTracer("test"));
  const role = {
    mount: "approle",
    roleId: new SecretFile(fixture.roleIdFile),
    ...(options.secretIdWrapped === undefined
      ? { secretId: new SecretFile(fixture.secretIdFile) }
      : { secretIdWrapped: new SecretFile(options.secretIdWrapped) }),
  };
  const times = { probeMs: 50, patienceMs: 2_000, ...options.times };
  const login = patientLogin(client, role, options.nextTry);
  const told: typeof login = (signal) => {
    options.onLogin?.();
    return login(signal);
  };
  return await connectVault(client, told, { log: quiet, times });
}
