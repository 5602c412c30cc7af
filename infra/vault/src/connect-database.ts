import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { VaultApi } from "./vault-api.ts";

export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
  /** Who makes and drops the users. */
  readonly superuser: string;
  readonly password: string;
  readonly database: string;
}

export interface DatabaseNames {
  readonly databaseConnection: string;
  readonly databaseRole: string;
}

const roles = join(import.meta.dirname, "../roles");

/** Tell Vault of a PostgreSQL server, and of the role that makes a user for each lease. */
export async function connectDatabase(
  vault: VaultApi,
  server: DatabaseServer,
  names: DatabaseNames,
): Promise<void> {
  await vault.write(`database/config/${names.databaseConnection}`, {
    plugin_name: "postgresql-database-plugin",
    allowed_roles: [names.databaseRole],
    connection_url: connectionUrl(server),
    username: server.superuser,
    password: server.password,
    password_authentication: "scram-sha-256", // Vault hashes a new user's password; PostgreSQL's log never sees it
  });
  const file = (suffix: string): Promise<string> =>
    readFile(join(roles, `${names.databaseRole}${suffix}`), "utf8");
  await vault.write(`database/roles/${names.databaseRole}`, {
    ...(JSON.parse(await file(".json")) as object),
    db_name: names.databaseConnection,
    creation_statements: [await file(".create.sql")],
    revocation_statements: [await file(".revoke.sql")],
  });
}

/** Vault fills in the two names. Anything but the loopback address is reached by verified TLS only. Pure. */
export function connectionUrl({
  host,
  port,
  database,
}: Pick<DatabaseServer, "host" | "port" | "database">): string {
  const sslmode = ["127.0.0.1", "::1"].includes(host) ? "disable" : "verify-full";
  const name = host.includes(":") ? `[${host}]` : host;
  return `postgresql://{{username}}:{{password}}@${name}:${port}/${encodeURIComponent(database)}?sslmode=${sslmode}`;
}
