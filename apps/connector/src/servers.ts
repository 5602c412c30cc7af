import { readFileSync } from "node:fs";
import {
  EgressError,
  openUpstream,
  parseTarget,
  type RequestPlacement,
  systemResolver,
  type UpstreamLimits,
} from "@sallyport/egress";
import type { Leases, Server, Upstream } from "@sallyport/gate";
import { BootError } from "@sallyport/runtime";
import type { ServerConfig } from "./config.ts";
import { httpUpstream } from "./upstream/http.ts";
import { stdioUpstream } from "./upstream/stdio/stdio.ts";

export interface ServerDeps {
  leases: Pick<Leases, "pin" | "end">;
  log: { warn(fields: object, message: string): void; debug(fields: object, message: string): void };
}

const headersTimeoutMs = 60_000;

const upstreamLimits: UpstreamLimits = {
  connections: 4_096,
  connectTimeoutMs: 3_000,
  headersTimeoutMs,
  maxHeaderBytes: 32 * 1024,
  keepAliveMs: 4_000,
};

/** Every configured server. None is dialled or started before it is called: one bad server disturbs no other. */
export async function openServers(
  configs: Readonly<Record<string, ServerConfig>>,
  deps: ServerDeps,
): Promise<ReadonlyMap<string, Server>> {
  const servers = new Map<string, Server>();
  for (const [name, config] of Object.entries(configs)) {
    const upstream = "url" in config ? openHttp(name, config) : stdioUpstream(name, config, deps);
    servers.set(name, { name, upstream, credential: config.credential as Server["credential"] });
  }
  return servers;
}

function openHttp(name: string, config: Extract<ServerConfig, { url: string }>): Upstream {
  const target = targetOf(name, config.url);
  const placement = config.credential?.place as RequestPlacement | undefined;
  const pool = openUpstream(target, {
    // A socket that carried one credential never carries another, nor another server's calls.
    partition: `${name} ${config.credential?.name ?? ""}`,
    resolver: systemResolver,
    limits: upstreamLimits,
    ...(config.caFile === undefined ? {} : { tls: { ca: readFileSync(config.caFile, "utf8") } }),
  });
  return httpUpstream({
    server: name,
    path: `${target.url.pathname}${target.url.search}`,
    placement,
    pool,
    headersTimeoutMs,
  });
}

/** A route that may never be dialled is a mistake to be mended, not a server that is away: the boot stops and says so. */
function targetOf(name: string, url: string) {
  try {
    return parseTarget(url);
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    throw new BootError(error.reason, { setting: `servers.${name}.url`, cause: error });
  }
}
