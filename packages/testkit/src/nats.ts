import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accepts, inPlace, type Place } from "./process/place.ts";
import { type Exit, type Server, startServer } from "./process/server.ts";
import { findTool } from "./tools/find-tool.ts";

export interface NatsOptions {
  /** More configuration text: operator and resolver, accounts, authorization, a websocket listener. */
  readonly config?: string;
  /** State folder, kept; without it a temporary one, removed by `stop`. */
  readonly dir?: string;
  /** Picked by the system unless told. */
  readonly port?: number;
  /** On unless false. Text goes into the `jetstream {}` block, e.g. `sync_interval: always`. */
  readonly jetstream?: boolean | string;
  /** Called when the server ends and nobody here asked for it. */
  readonly onExit?: (exit: Exit) => void;
}

export interface NatsServer extends Omit<Server, "folder"> {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
}

/** A real nats-server on 127.0.0.1. A restart keeps its port and its streams. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const command = await findTool("nats-server");
  return await inPlace("nats", options.dir, (place) => start(place, command, options));
}

async function start(
  { folder, temporary }: Place,
  command: string,
  options: NatsOptions,
): Promise<NatsServer> {
  const configFile = join(folder, "nats-server.conf");
  let port = options.port;
  await writeFile(configFile, configText(folder, port, options), { mode: 0o600 });

  const server = await startServer({
    name: "nats-server",
    command,
    args: ["--config", configFile],
    folder,
    temporary,
    onExit: options.onExit,
    ready: async (pid) => {
      port ??= await portOf(join(folder, `nats-server_${pid}.ports`));
      return port === undefined ? undefined : await accepts(port);
    },
  });
  if (port === undefined) throw new Error("nats-server is ready without a port"); // `ready` has set it
  const settled = port;
  await writeFile(configFile, configText(folder, settled, options), { mode: 0o600 }); // for the next start
  return {
    url: `nats://127.0.0.1:${settled}`,
    port: settled,
    dir: folder,
    get pid() {
      return server.pid;
    },
    stop: server.stop,
    kill: server.kill,
    restart: server.restart,
  };
}

function configText(folder: string, port: number | undefined, options: NatsOptions): string {
  const lines = ["host: 127.0.0.1", `port: ${port ?? -1}`, `ports_file_dir: ${JSON.stringify(folder)}`];
  if (options.jetstream !== false) {
    const more = typeof options.jetstream === "string" ? options.jetstream : "";
    const store = JSON.stringify(join(folder, "jetstream"));
    lines.push(`jetstream {\nstore_dir: ${store}\nmax_memory_store: 256MB\nmax_file_store: 4GB\n${more}\n}`);
  }
  return [...lines, options.config ?? "", ""].join("\n");
}

/** nats-server writes this file once it listens: `{ "nats": ["nats://127.0.0.1:45103"] }`. */
async function portOf(portsFile: string): Promise<number | undefined> {
  const ports = JSON.parse(await readFile(portsFile, "utf8")) as { nats?: string[] };
  const url = ports.nats?.[0];
  return url === undefined ? undefined : Number(new URL(url).port);
}
