import { mkdirSync } from "node:fs";
import { provisionStreams, serverConfig } from "@sallyport/infra-nats";
import { provisionVault } from "@sallyport/infra-vault";
import {
  freePort,
  type Issuer,
  type NatsServer,
  type OpenBao,
  type Postgres,
  startIssuer,
  startNats,
  startOpenBao,
  startPostgres,
  until,
} from "@sallyport/testkit";
import { stringify } from "yaml";
import { Material } from "./material.ts";
import { startZone, type ZoneProcess } from "./zone-process.ts";

/** What a stack offers behind its tunnel, in the words of the zones' own configuration. */
export interface StackPlan {
  /** State folder: keys, configurations, data and logs. It must be empty or new. */
  dir: string;
  /** Port of the edge; picked by the system unless told. */
  port?: number;
  /** Port of the OAuth issuer. */
  issuerPort?: number;
  /** Whether a PostgreSQL with dynamic users is part of it. */
  postgres?: { schema: string };
  /** What Vault's KV engine holds: path below `sallyport/` → fields. */
  secrets: Record<string, Record<string, string>>;
  /** Connector configuration of each server, given what else was started. */
  servers(parts: { postgres: Postgres | undefined }): Record<string, object>;
  credentials: Record<string, object>;
  leaseRules: readonly object[];
  policies: Record<string, string>;
  connectors?: readonly string[];
  /** Whether the audit log is on disk before it is acknowledged. */
  syncAudit?: boolean;
  sampleRatio?: number;
  agent?: string;
  /** More flags for each zone's Node, such as `--cpu-prof`. */
  nodeArgs?: readonly string[];
  /** Run what `pnpm build` made, as it ships, instead of the source. */
  built?: boolean;
  onExit?(process: string): void;
  progress?(step: string): void;
}

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
  /** How an operator's command line reaches NATS. */
  operatorNats: { servers: readonly string[]; creds: string; instance: string };
  /** The URL that agents call for a server. */
  endpoint(server: string): string;
  /** An access token for one server, by client credentials. */
  token(server: string, options?: { client?: string }): Promise<string>;
  stop(): Promise<void>;
}

export const demoClient = "demo-agent";
const edge = "edge-1";
const broker = "broker-1";
const tenant = "local";

/** Starts everything in order; a failure stops what was started and is thrown. */
export async function startStack(plan: StackPlan): Promise<Stack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    return await start(plan, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  plan: StackPlan,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const say = plan.progress ?? (() => undefined);
  const keep = <T extends { stop(): Promise<void> }>(one: T): T => {
    stops.push(() => one.stop());
    return one;
  };
  const onExit = (name: string) => ({ onExit: () => plan.onExit?.(name) });
  mkdirSync(plan.dir, { recursive: true, mode: 0o700 });
  const material = await Material.create(plan.dir);
  const connectors = plan.connectors ?? ["connector-1"];

  say("nats-server");
  const jetstream = {
    dir: material.path("nats/jetstream"),
    syncAlways: plan.syncAudit ?? true,
    maxBytes: 1024 ** 3,
  };
  const nats = keep(
    await startNats({
      dir: material.path("nats"),
      jetstream: false,
      config: serverConfig(material.trust, { jetstream }),
      ...onExit("nats-server"),
    }),
  );
  await provisionStreams({
    servers: [nats.url],
    creds: await material.provisionerCreds(),
    maxBytes: { log: 256 * 1024 ** 2, bucket: 64 * 1024 ** 2 },
  });

  say("PostgreSQL");
  const postgres = plan.postgres
    ? keep(await startPostgres({ dir: material.path("postgres"), ...onExit("postgres") }))
    : undefined;
  if (postgres && plan.postgres) await postgres.query(plan.postgres.schema);

  say("OpenBao");
  const vault = keep(await startOpenBao({ dir: material.path("openbao"), ...onExit("openbao") }));
  const approle = await provisionVault({
    address: vault.url,
    token: vault.rootToken,
    ...(postgres ? { postgres } : {}),
    secrets: plan.secrets,
  });

  say("OAuth issuer");
  const edgePort = plan.port ?? (await freePort());
  const edgeUrl = `http://127.0.0.1:${edgePort}`;
  const serverConfigs = plan.servers({ postgres });
  const servers = Object.keys(serverConfigs);
  const clientSecret = crypto.randomUUID();
  const clients = [plan.agent ?? demoClient, "other-agent"];
  const issuer = keep(
    await startIssuer({
      dir: material.path("issuer"),
      ...(plan.issuerPort === undefined ? {} : { port: plan.issuerPort }),
      config: {
        resources: servers.map((server) => `${edgeUrl}/mcp/${server}`),
        clients: clients.map((id) => ({
          id,
          secret: clientSecret,
          scopes: servers.map((server) => `mcp:${server}`),
        })),
      },
      ...onExit("issuer"),
    }),
  );

  say("zones");
  const keys = material.edgeKey(edge);
  const natsSettings = async (zone: "edge" | "connector" | "broker" | "collector", instance: string) => ({
    servers: [nats.url],
    creds: await material.user({ zone, instance }),
  });
  const tokens = { issuer: issuer.url, jwksUrl: `${issuer.url}/jwks` };
  const telemetry = { sampleRatio: plan.sampleRatio ?? 1 };
  const policies = Object.entries(plan.policies).map(([name, text]) =>
    material.write(`policies/${name}`, text),
  );
  const connectorKeys = new Map<string, string>();
  for (const connector of connectors) {
    connectorKeys.set(connector, (await material.connectorKey(connector, servers)).privateFile);
  }
  const zones = new Map<string, ZoneProcess>();
  const zone = async (spec: Parameters<typeof startZone>[1]) => {
    const name = `${spec.zone}-${spec.instance}`;
    zones.set(
      name,
      keep(
        await startZone(material, {
          ...spec,
          ...onExit(name),
          ...(plan.nodeArgs ? { nodeArgs: plan.nodeArgs } : {}),
          built: plan.built ?? false,
        }),
      ),
    );
  };

  await zone({
    zone: "collector",
    instance: "collector-1",
    config: {
      nats: await natsSettings("collector", "collector-1"),
      telemetry,
      store: { file: material.path("telemetry.sqlite") },
    },
  });
  await zone({
    zone: "broker",
    instance: broker,
    config: {
      tenant,
      nats: await natsSettings("broker", broker),
      telemetry,
      vault: {
        address: vault.url,
        auth: {
          method: "approle",
          roleId: material.write("vault/role-id", approle.roleId),
          secretIdWrapped: material.write("vault/secret-id.wrapped", await approle.wrappedSecretId()),
        },
      },
      edges: { [edge]: keys.publicFile },
      enrolments: material.path("enrolments"),
      credentials: plan.credentials,
      rules: material.write("lease-rules.yaml", JSON.stringify({ rules: plan.leaseRules })),
    },
  });
  for (const connector of connectors) {
    await zone({
      zone: "connector",
      instance: connector,
      config: {
        tenant,
        nats: await natsSettings("connector", connector),
        telemetry,
        privateKey: connectorKeys.get(connector),
        edges: { [edge]: keys.publicFile },
        tokens: { ...tokens, publicUrl: edgeUrl },
        policies,
        servers: serverConfigs,
      },
    });
  }
  await zone({
    zone: "edge",
    instance: edge,
    config: {
      tenant,
      nats: await natsSettings("edge", edge),
      telemetry,
      listen: { host: "127.0.0.1", port: edgePort },
      publicUrl: edgeUrl,
      tokens,
      signingKey: keys.privateFile,
      enrolments: material.path("enrolments"),
    },
  });
  const operator = { zone: "operator", instance: "local" } as const;
  const operatorNats = {
    servers: [nats.url],
    creds: await material.user(operator),
    instance: operator.instance,
  };
  material.write(
    "cli.yaml",
    stringify({
      nats: operatorNats,
      edge: { url: edgeUrl },
      issuer: {
        url: issuer.url,
        clientId: clients[0],
        clientSecretFile: material.write("issuer-client.secret", clientSecret),
      },
      enrolments: material.path("enrolments"),
      zoneConfigs: [...zones.values()].map((one) => one.configFile),
    }),
  );
  await until(
    "every zone ready",
    async () => {
      for (const one of zones.values()) {
        const { ready, text } = await one.readiness();
        if (!ready) throw new Error(`${one.zone}-${one.instance}: ${text}`);
      }
      return true;
    },
    { within: 20_000 },
  );

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
    operatorNats,
    endpoint: (server) => `${edgeUrl}/mcp/${server}`,
    token: (server, options = {}) =>
      requestToken({
        issuer: issuer.url,
        client: options.client ?? clients[0] ?? demoClient,
        secret: clientSecret,
        server,
        resource: `${edgeUrl}/mcp/${server}`,
      }),
    stop,
  };
}

async function requestToken(ask: {
  issuer: string;
  client: string;
  secret: string;
  server: string;
  resource: string;
}): Promise<string> {
  const answer = await fetch(`${ask.issuer}/token`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${ask.client}:${ask.secret}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({
      grant_type: "client_credentials",
      scope: `mcp:${ask.server}`,
      resource: ask.resource,
    }),
  });
  const body = (await answer.json()) as { access_token?: string; error_description?: string };
  if (body.access_token === undefined)
    throw new Error(`the issuer gave no token: ${body.error_description ?? answer.status}`);
  return body.access_token;
}
