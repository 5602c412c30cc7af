import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connectDatabase, type DatabaseServer } from "./connect-database.ts";
import { type VaultApi, vaultApi } from "./vault-api.ts";

/** What the things are called in Vault. Mounts: `secret/` (kv v2), `database/`, `auth/approle/`. */
export const vaultNames = {
  policy: "sallyport-broker",
  approle: "sallyport-broker",
  databaseConnection: "sallyport",
  databaseRole: "sallyport-readonly",
} as const;

export interface ProvisionOptions {
  /** e.g. `https://vault.example:8200`. */
  readonly address: string;
  /** Of someone who may mount engines and write policies; not used by the broker. */
  readonly token: string;
  readonly postgres?: DatabaseServer;
  /** By path below `secret/`, all of which begin with `sallyport/`. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Provisioned {
  readonly roleId: string;
  /** A fresh `secret_id` in a wrapping token of one use and 5 minutes: what a broker's start is given. */
  wrappedSecretId(): Promise<string>;
}

const wrapSeconds = 300;
const files = join(import.meta.dirname, "..");

/** Bring a Vault-compatible server to the state that the files describe. May be run again. */
export async function provisionVault(options: ProvisionOptions): Promise<Provisioned> {
  const secrets = Object.entries(options.secrets ?? {});
  for (const [path] of secrets) assertReadable(path);
  const vault = vaultApi(options.address, options.token);

  await mount(vault, "sys/mounts", { path: "secret", type: "kv", options: { version: "2" } });
  await mount(vault, "sys/auth", { path: "approle", type: "approle" });
  const policy = await readFile(join(files, `policies/${vaultNames.policy}.hcl`), "utf8");
  await vault.write(`sys/policies/acl/${vaultNames.policy}`, { policy });
  const role = JSON.parse(await readFile(join(files, `roles/${vaultNames.approle}.json`), "utf8")) as object;
  await vault.write(`auth/approle/role/${vaultNames.approle}`, role);
  for (const [path, data] of secrets) await vault.write(`secret/data/${path}`, { data });
  if (options.postgres) {
    await mount(vault, "sys/mounts", { path: "database", type: "database" });
    await connectDatabase(vault, options.postgres, vaultNames);
  }

  return {
    roleId: textAt(await vault.read(`auth/approle/role/${vaultNames.approle}/role-id`), "data", "role_id"),
    wrappedSecretId: async () => {
      const path = `auth/approle/role/${vaultNames.approle}/secret-id`;
      return textAt(await vault.write(path, {}, { wrapSeconds }), "wrap_info", "token");
    },
  };
}

/** A secret elsewhere could not be read by the broker; better to say so now than at the first call. */
function assertReadable(path: string): void {
  if (!/^sallyport(\/[a-z0-9][a-z0-9_-]{0,62}){1,5}$/.test(path)) {
    throw new Error(
      `secret path ${JSON.stringify(path)}: the broker may read "sallyport/<name>" only, in lower case`,
    );
  }
}

interface Mount {
  readonly path: string;
  readonly type: string;
  readonly options?: Readonly<Record<string, string>>;
}

/** Mount it unless it is there. Something else at its place is somebody's, and stays: the start fails. */
async function mount(vault: VaultApi, at: "sys/mounts" | "sys/auth", wanted: Mount): Promise<void> {
  const answer = (await vault.read(at))?.data as Record<string, { type?: string; options?: object | null }>;
  const there = answer[`${wanted.path}/`];
  if (!there) {
    await vault.write(`${at}/${wanted.path}`, {
      type: wanted.type,
      ...(wanted.options && { options: wanted.options }),
    });
    return;
  }
  const version = (there.options as { version?: string } | null | undefined)?.version;
  if (there.type !== wanted.type || version !== wanted.options?.version) {
    const found = `${there.type}${version ? ` version ${version}` : ""}`;
    throw new Error(
      `Vault has ${found} mounted at ${wanted.path}/ where ${wanted.type} is needed; it was left as it is`,
    );
  }
}

function textAt(answer: Record<string, unknown> | undefined, part: string, field: string): string {
  const value = (answer?.[part] as Record<string, unknown> | undefined)?.[field];
  if (typeof value !== "string") throw new Error(`Vault's answer has no ${part}.${field}`);
  return value;
}
