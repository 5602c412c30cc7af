import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inPlace, type Place } from "./process/place.ts";
import { type Exit, type Server, startServer } from "./process/server.ts";

export interface IssuerOptions {
  /** What `examples/issuer` reads, without its port: clients, resources, lifetimes. */
  readonly config: object;
  readonly dir?: string;
  readonly port?: number;
  readonly onExit?: (exit: Exit) => void;
}

export interface Issuer extends Omit<Server, "folder"> {
  /** The issuer identifier, e.g. `http://127.0.0.1:41007`. */
  readonly url: string;
  readonly dir: string;
}

const main = join(import.meta.dirname, "../../../examples/issuer/main.ts");

/** The example authorization server as a process of its own. Client secrets reach it in a file. */
export async function startIssuer(options: IssuerOptions): Promise<Issuer> {
  return await inPlace("issuer", options.dir, (place) => start(place, options));
}

async function start({ folder, temporary }: Place, options: IssuerOptions): Promise<Issuer> {
  const configFile = join(folder, "issuer.json");
  const write = (port: number): Promise<void> =>
    writeFile(configFile, JSON.stringify({ ...options.config, port }), { mode: 0o600 });
  await write(options.port ?? 0);

  let url: string | undefined;
  const server = await startServer({
    name: "issuer",
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", main, configFile],
    folder,
    temporary,
    onExit: options.onExit,
    ready: async () => {
      url ??= readyUrl(await readFile(join(folder, "issuer.log"), "utf8"));
      if (url === undefined) return undefined;
      const answer = await fetch(`${url}/.well-known/oauth-authorization-server`, {
        signal: AbortSignal.timeout(2_000),
      });
      await answer.arrayBuffer();
      return answer.ok ? true : undefined;
    },
  });
  if (url === undefined) throw new Error("the issuer is ready without an address"); // `ready` has set it
  await write(Number(new URL(url).port)); // for the next start
  return {
    url,
    dir: folder,
    get pid() {
      return server.pid;
    },
    stop: server.stop,
    kill: server.kill,
    restart: server.restart,
  };
}

/** The line `{"url":"http://127.0.0.1:41007"}`, the last one if the log is from several starts. */
function readyUrl(log: string): string | undefined {
  return /^\{"url":"(http:[^"\s]{1,200})"\}$/m.exec(log.trimEnd().split("\n").reverse().join("\n"))?.[1];
}
