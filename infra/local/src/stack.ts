import { mkdirSync } from "node:fs";
import {
  type Exit,
  freePort,
  type Issuer,
  type NatsServer,
  type OpenBao,
  type Postgres,
  until,
} from "@sallyport/testkit";
import { stringify } from "yaml";
import { type Starter, startDatabase, startRelay, startTokens, startVault } from "./foundations.ts";
import { Material } from "./material.ts";
import { requestToken } from "./request-token.ts";
import { type SandboxHost, sandboxHost } from "./sandbox-host.ts";
import type { StackPlan } from "./stack-plan.ts";
import { StartWatch } from "./start-watch.ts";
import { zoneConfigs } from "./zone-configs.ts";
import { startZone, type ZoneProcess } from "./zone-process.ts";

/** A whole Sallyport on this machine: real servers, each zone a process with a NATS user of its own. */
export interface Stack {
  dir: string;
  material: Material;
  edgeUrl: string;
  issuerUrl: string;
  nats: NatsServer;
  vault: OpenBao;
  postgres: Postgres | undefined;
  issuer: Issuer;
  zones: ReadonlyMap<string, ZoneProcess>;
  /** Whether it has a runner. */
  sandboxes: boolean;
  /** How an operator's command line reaches NATS. */
  operatorNats: { servers: readonly string[]; creds: string; instance: string };
  /** The URL that agents call for a server. */
  endpoint(server: string): string;
  /** An access token for one server, by client credentials. */
  token(server: string, options?: { client?: string }): Promise<string>;
  stop(): Promise<void>;
}

export const demoClient = "demo-agent";

/** Starts everything in order; a failure stops what was started and is thrown. */
export async function startStack(plan: StackPlan): Promise<Stack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  const starter: Starter = {
    say: plan.progress ?? (() => undefined),
    keep: (one) => {
      stops.push(() => one.stop());
      return one;
    },
    onExit: (name) => ({ onExit: () => plan.onExit?.(name) }),
  };
  try {
    return { ...(await start(plan, starter)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(plan: StackPlan, starter: Starter): Promise<Omit<Stack, "stop">> {
  mkdirSync(plan.dir, { recursive: true, mode: 0o700 });
  const material = await Material.create(plan.dir);
  const pools = Object.keys(plan.sandboxes ?? {});
  const nats = await startRelay(material, starter, { syncAlways: plan.syncAudit ?? true, pools });
  const postgres = plan.postgres ? await startDatabase(material, starter, plan.postgres) : undefined;
  const { vault, approle } = await startVault(material, starter, { postgres, secrets: plan.secrets });

  const edgePort = plan.port ?? (await freePort());
  const edgeUrl = `http://127.0.0.1:${edgePort}`;
  const servers = plan.servers({ postgres });
  const clients = { names: [plan.agent ?? demoClient, "other-agent"], secret: crypto.randomUUID() };
  const issuer = await startTokens(material, starter, {
    edgeUrl,
    servers: [...Object.keys(servers), ...pools, ...Object.keys(plan.workers ?? {})],
    clients,
    port: plan.issuerPort,
  });

  const sandboxHosts = new Map<string, SandboxHost["settings"]>();
  for (const runner of plan.sandboxes === undefined ? [] : (plan.runners ?? ["runner-1"]))
    sandboxHosts.set(runner, starter.keep(await sandboxHost()).settings);
  starter.say("zones");
  const configs = await zoneConfigs(material, plan, {
    natsUrl: nats.url,
    vault: { url: vault.url, roleId: approle.roleId, wrappedSecretId: await approle.wrappedSecretId() },
    issuerUrl: issuer.url,
    edgePort,
    edgeUrl,
    servers,
    sandboxHosts,
  });
  const watch = new StartWatch();
  const zones = await watch.during(() => startZones(material, starter, { plan, configs, watch }));
  const operatorNats = await writeOperatorSettings(material, {
    natsUrl: nats.url,
    edgeUrl,
    issuerUrl: issuer.url,
    clients,
    zoneConfigs: [...zones.values()].map((one) => one.configFile),
  });
  await watch.during(() => everyZoneReady(zones, watch));
  return {
    dir: plan.dir,
    material,
    edgeUrl,
    issuerUrl: issuer.url,
    nats,
    vault,
    postgres,
    issuer,
    zones,
    sandboxes: sandboxHosts.size > 0,
    operatorNats,
    endpoint: (server) => `${edgeUrl}/mcp/${server}`,
    token: (server, { client = clients.names[0] ?? demoClient } = {}) =>
      requestToken({
        issuer: issuer.url,
        client,
        secret: clients.secret,
        server,
        resource: `${edgeUrl}/mcp/${server}`,
      }),
  };
}

/** All at once: each waits by itself for what it needs. */
async function startZones(
  material: Material,
  { keep, onExit }: Starter,
  of: { plan: StackPlan; configs: Awaited<ReturnType<typeof zoneConfigs>>; watch: StartWatch },
): Promise<ReadonlyMap<string, ZoneProcess>> {
  const { nodeArgs = [], built = false } = of.plan;
  const started = await Promise.allSettled(
    of.configs.map(async (one) => {
      const name = `${one.zone}-${one.instance}`;
      const watched = {
        onExit: (exit: Exit, logFile: string) => {
          of.watch.died({ name, exit, logFile });
          onExit(name).onExit();
        },
        givenUp: () => of.watch.givenUp,
      };
      return [name, keep(await startZone(material, { ...one, nodeArgs, built, ...watched }))] as const;
    }),
  );
  return new Map(
    started.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    }),
  );
}

/** What `sallyport` reads in this checkout while the stack runs. */
async function writeOperatorSettings(
  material: Material,
  of: {
    natsUrl: string;
    edgeUrl: string;
    issuerUrl: string;
    clients: { names: readonly string[]; secret: string };
    zoneConfigs: readonly string[];
  },
): Promise<Stack["operatorNats"]> {
  const instance = "local";
  const creds = await material.user({ zone: "operator", instance });
  const nats = { servers: [of.natsUrl], creds, instance };
  const clientSecretFile = material.write("issuer-client.secret", of.clients.secret);
  material.write(
    "cli.yaml",
    stringify({
      nats,
      edge: { url: of.edgeUrl },
      issuer: { url: of.issuerUrl, clientId: of.clients.names[0], clientSecretFile },
      enrolments: material.path("enrolments"),
      zoneConfigs: of.zoneConfigs,
    }),
  );
  return nats;
}

async function everyZoneReady(zones: ReadonlyMap<string, ZoneProcess>, watch: StartWatch): Promise<void> {
  const probe = async () => {
    if (watch.givenUp) return true;
    for (const one of zones.values()) {
      const { ready, text } = await one.readiness();
      if (!ready) throw new Error(`${one.zone}-${one.instance}: ${text}`);
    }
    return true;
  };
  await until("every zone ready", probe, { within: 60_000 });
}
