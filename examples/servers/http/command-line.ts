import { parseArgs } from "node:util";
import { tokenFromFile } from "./bearer.ts";
import type { GuardOptions } from "./guard.ts";
import type { Address, Running } from "./listen.ts";

export type ServeOptions = Address & GuardOptions;

/** Usage: [--port 0] [--host 127.0.0.1] [--token-file FILE] [--allow-host NAME]… */
export function serveOptions(args: readonly string[]): ServeOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string", default: "0" },
      host: { type: "string", default: "127.0.0.1" },
      "token-file": { type: "string" },
      "allow-host": { type: "string", multiple: true, default: [] },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port} is no port`);
  const tokenFile = values["token-file"];
  return {
    port,
    host: values.host,
    allowedHosts: values["allow-host"],
    token: tokenFile === undefined ? undefined : tokenFromFile(tokenFile),
  };
}

/** Start, say where as one JSON line, and stop on the first SIGTERM or SIGINT. */
export async function serveUntilStopped(start: (options: ServeOptions) => Promise<Running>): Promise<void> {
  const running = await startOrSay(start);
  if (!running) return;
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  console.log(JSON.stringify({ url: running.url }));
  await stopped;
  await running.close();
}

async function startOrSay(start: (options: ServeOptions) => Promise<Running>): Promise<Running | undefined> {
  try {
    return await start(serveOptions(process.argv.slice(2)));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
    return undefined;
  }
}
