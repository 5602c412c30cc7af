import { request } from "node:http";
import { join } from "node:path";
import type { Zone } from "@sallyport/contracts";
import { type Exit, type Server, startServer } from "@sallyport/testkit";
import { stringify } from "yaml";
import type { Material } from "./material.ts";

/** As "Deploy a zone" says. */
const flags: Partial<Record<Zone, readonly string[]>> = {
  broker: ["--optimize-for-size"],
  collector: ["--optimize-for-size"],
  runner: ["--max-semi-space-size=8", "--heap-growing-percent=50"],
};
const apps = join(import.meta.dirname, "../../../apps");

export interface ZoneProcess extends Server {
  zone: Zone;
  instance: string;
  /** What `/readyz` says now: each check by name. */
  readiness(): Promise<{ ready: boolean; text: string }>;
  logFile: string;
  configFile: string;
}

/** Starts one zone as its own process, from a configuration file of its own, and waits until it has booted. */
export async function startZone(
  material: Material,
  spec: {
    zone: Exclude<Zone, "operator">;
    instance: string;
    config: object;
    /** More flags for Node, such as `--cpu-prof`. */
    nodeArgs?: readonly string[];
    /** Run what `pnpm build` made, as it ships, instead of the source. */
    built?: boolean;
    /** Words before its command, such as those that enter another network. */
    enter?: readonly string[];
    onExit?: (exit: Exit, logFile: string) => void;
    /** True as soon as nobody waits for it any more: it is to be stopped, booted or not. */
    givenUp?: () => boolean;
  },
): Promise<ZoneProcess> {
  const { zone, instance } = spec;
  const name = `${zone}-${instance}`;
  // A socket's path may have 107 bytes: it is given relative to the process's folder.
  const socket = `${name}.sock`;
  const folder = material.path("run");
  const configFile = material.write(
    `run/${name}.yaml`,
    stringify({ instance, health: { socket: join(folder, socket) }, ...spec.config }),
  );
  const logFile = join(folder, `${name}.log`);
  const health = (path: string) => askHealth(join(folder, socket), path);
  const [command, ...before] = [...(spec.enter ?? []), process.execPath];
  const server = await startServer({
    name,
    command: command ?? process.execPath,
    args: [
      ...before,
      "--disable-warning=ExperimentalWarning",
      ...(spec.built ? (flags[zone] ?? []) : []),
      ...(spec.nodeArgs ?? []),
      join(apps, zone, spec.built ? "dist/main.js" : "main.ts"),
      "--config",
      configFile,
    ],
    folder,
    temporary: false,
    readyWithin: 30_000,
    stopWithin: 20_000,
    onExit: (exit) => spec.onExit?.(exit, logFile),
    // Booted is what a start waits for; whether it can reach all it needs is what readiness says.
    ready: async () => (spec.givenUp?.() || (await health("/healthz")).ready ? true : undefined),
  });
  return Object.assign(server, {
    zone,
    instance,
    readiness: () => health("/readyz"),
    logFile,
    configFile,
  });
}

function askHealth(socketPath: string, path: string): Promise<{ ready: boolean; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: 2_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ ready: response.statusCode === 200, text }));
    });
    asked.on("error", reject);
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.end();
  });
}
