import { through } from "./through.fixture.ts";
import type { World } from "./world.fixture.ts";

/** What to try with a broker's login. The first two are what a broker is for. */
const attempts = [
  ["GET", "secret/data/sallyport/orders"],
  ["GET", "database/creds/sallyport-readonly"],
  ["PUT", "secret/data/sallyport/orders"],
  ["GET", "secret/data/payroll"],
  ["LIST", "secret/metadata"],
  ["GET", "sys/mounts"],
  ["PUT", "sys/seal"],
  ["PUT", "sys/policies/acl/mine"],
  ["GET", "sys/policies/acl/sallyport-broker"],
  ["GET", "auth/approle/role/sallyport-broker/role-id"],
  ["PUT", "auth/approle/role/sallyport-broker/secret-id"],
  ["PUT", "auth/token/create"],
  ["GET", "database/config/sallyport"],
  ["PUT", "database/rotate-root/sallyport"],
] as const;

/** Logs in to Vault from the broker's network as a broker does, and answers what that opens: path → status. */
export async function tryVault(world: World): Promise<ReadonlyMap<string, number>> {
  const { vault } = world;
  const there = through(await vault.doorFrom("broker"), "vault.internal", vault.caFile);
  try {
    const ask = async (method: string, path: string, more: { token?: string; body?: object } = {}) => {
      const headers = more.token === undefined ? {} : { "x-vault-token": more.token };
      const body = method === "PUT" ? JSON.stringify(more.body ?? {}) : null;
      const answer = await there.fetch(`https://vault.internal/v1/${path}`, { method, headers, body });
      return { status: answer.status, text: await answer.text() };
    };
    const wrapped = await ask("PUT", "sys/wrapping/unwrap", { token: await vault.wrappedSecretId() });
    const { secret_id } = (JSON.parse(wrapped.text) as { data: { secret_id: string } }).data;
    const login = await ask("PUT", "auth/approle/login", { body: { role_id: vault.roleId, secret_id } });
    const { client_token: token } = (JSON.parse(login.text) as { auth: { client_token: string } }).auth;
    const statuses = new Map<string, number>();
    for (const [method, path] of attempts)
      statuses.set(`${method} ${path}`, (await ask(method, path, { token })).status);
    return statuses;
  } finally {
    await there.close();
  }
}
