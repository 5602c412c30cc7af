import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inPlace, type Place, withFreePort } from "./process/place.ts";
import { type Exit, type Server, startServer } from "./process/server.ts";
import { findTool } from "./tools/find-tool.ts";
import { until } from "./until.ts";

export interface OpenBaoOptions {
  /** State folder, kept, with the root token and unseal key beside the data; temporary unless told. */
  readonly dir?: string;
  readonly port?: number;
  readonly onExit?: (exit: Exit) => void;
}

export interface OpenBao extends Omit<Server, "folder"> {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  /** The audit device's file: one JSON record a line. */
  readonly auditFile: string;
  seal(): Promise<void>;
  unseal(): Promise<void>;
}

interface Keys {
  readonly rootToken: string;
  readonly unsealKey: string;
}

/**
 * A real OpenBao server on 127.0.0.1 (not its dev mode): raft storage on disk, one unseal key, an audit
 * device, no TLS. It is initialised and unsealed; a restart, after a kill too, unseals it again and keeps
 * what was stored. Leadership is settled when it is handed out: the first write works.
 */
export async function startOpenBao(options: OpenBaoOptions = {}): Promise<OpenBao> {
  const command = await findTool("bao");
  return await withFreePort(options.port, (port) =>
    inPlace("openbao", options.dir, (place) => start(place, { command, port, options })),
  );
}

interface Start {
  readonly command: string;
  readonly port: number;
  readonly options: OpenBaoOptions;
}

async function start({ folder, temporary }: Place, { command, port, options }: Start): Promise<OpenBao> {
  const url = `http://127.0.0.1:${port}`;
  const configFile = join(folder, "openbao.hcl");
  await mkdir(join(folder, "raft"), { recursive: true, mode: 0o700 });
  await writeFile(configFile, configText(folder, url), { mode: 0o600 });
  const server = await startServer({
    name: "openbao",
    command,
    args: ["server", "-config", configFile],
    folder,
    temporary,
    onExit: options.onExit,
    ready: async () => ((await health(url)) === undefined ? undefined : true),
  });
  try {
    const keys = await initialise(url, temporary ? undefined : join(folder, "keys.json"));
    await unseal(url, keys);
    return handle(server, { url, port, keys });
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function handle(server: Server, { url, port, keys }: { url: string; port: number; keys: Keys }): OpenBao {
  return {
    url,
    port,
    dir: server.folder,
    ...keys,
    auditFile: join(server.folder, "audit.log"),
    get pid() {
      return server.pid;
    },
    seal: async () => {
      await call(url, "sys/seal", { token: keys.rootToken, body: {} });
      await until("OpenBao sealing", async () => (await health(url)) === "sealed", { within: 10_000 });
    },
    unseal: () => unseal(url, keys),
    stop: server.stop,
    kill: server.kill,
    restart: async () => {
      await server.restart();
      await unseal(url, keys);
    },
  };
}

/** The cluster address is only a name here: a single node talks to nobody. */
function configText(folder: string, url: string): string {
  const text = JSON.stringify;
  return `storage "raft" {
  path = ${text(join(folder, "raft"))}
  node_id = "one"
  performance_multiplier = 1
}
listener "tcp" {
  address = ${text(new URL(url).host)}
  cluster_address = "127.0.0.1:0"
  tls_disable = true
}
audit "file" "records" {
  options {
    file_path = ${text(join(folder, "audit.log"))}
    mode = "0600"
  }
}
api_addr = ${text(url)}
cluster_addr = "https://127.0.0.1:8201"
ui = false
`;
}

async function initialise(url: string, keyFile: string | undefined): Promise<Keys> {
  const kept = keyFile === undefined ? undefined : await readFile(keyFile, "utf8").catch(() => undefined);
  if (kept !== undefined) return JSON.parse(kept) as Keys;
  const answer = await call<{ keys_base64: string[]; root_token: string }>(url, "sys/init", {
    body: { secret_shares: 1, secret_threshold: 1 },
  });
  const keys = { rootToken: answer.root_token, unsealKey: answer.keys_base64[0] ?? "" };
  if (keyFile !== undefined) await writeFile(keyFile, JSON.stringify(keys), { mode: 0o600 });
  return keys;
}

async function unseal(url: string, keys: Keys): Promise<void> {
  await call(url, "sys/unseal", { body: { key: keys.unsealKey } });
  await until("OpenBao becoming active", async () => (await health(url)) === "active", { within: 15_000 });
}

type Health = "active" | "standby" | "uninitialised" | "sealed";

/** https://openbao.org/api-docs/system/health/: the status code says it. */
async function health(url: string): Promise<Health | undefined> {
  const response = await fetch(`${url}/v1/sys/health`, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  const states: Record<number, Health> = {
    200: "active",
    429: "standby",
    501: "uninitialised",
    503: "sealed",
  };
  return states[response.status];
}

interface Call {
  readonly token?: string;
  readonly body: object;
}

async function call<T>(url: string, path: string, { token, body }: Call): Promise<T> {
  const response = await fetch(`${url}/v1/${path}`, {
    method: "PUT",
    headers: token === undefined ? {} : { "x-vault-token": token },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`OpenBao answered ${response.status} to ${path}`);
  return (text === "" ? {} : JSON.parse(text)) as T;
}
