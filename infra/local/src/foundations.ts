import { provisionStreams, serverConfig } from "@sallyport/infra-nats";
import { type Provisioned, provisionVault } from "@sallyport/infra-vault";
import {
  type Issuer,
  type NatsServer,
  type OpenBao,
  type Postgres,
  startIssuer,
  startNats,
  startOpenBao,
  startPostgres,
} from "@sallyport/testkit";
import type { Material } from "./material.ts";
import type { StackPlan } from "./stack-plan.ts";

/** Starts things one by one, says so, and keeps them to be stopped. */
export interface Starter {
  say(step: string): void;
  keep<T extends { stop(): Promise<void> }>(one: T): T;
  onExit(name: string): { onExit(): void };
}

export async function startRelay(
  material: Material,
  { say, keep, onExit }: Starter,
  { syncAlways, pools }: { syncAlways: boolean; pools: readonly string[] },
): Promise<NatsServer> {
  say("nats-server");
  const jetstream = { dir: material.path("nats/jetstream"), syncAlways, maxBytes: 1024 ** 3 };
  const resolver = { dir: material.path("nats/accounts") };
  const config = serverConfig(material.trust, { jetstream, resolver });
  const dir = material.path("nats");
  const nats = keep(await startNats({ dir, jetstream: false, config, ...onExit("nats-server") }));
  await provisionStreams({
    servers: [nats.url],
    creds: await material.provisionerCreds(),
    pools,
    maxBytes: { log: 256 * 1024 ** 2, bucket: 64 * 1024 ** 2 },
  });
  return nats;
}

export async function startDatabase(
  material: Material,
  { say, keep, onExit }: Starter,
  plan: NonNullable<StackPlan["postgres"]>,
): Promise<Postgres> {
  say("PostgreSQL");
  const postgres = keep(await startPostgres({ dir: material.path("postgres"), ...onExit("postgres") }));
  await postgres.query(plan.schema);
  return postgres;
}

export async function startVault(
  material: Material,
  { say, keep, onExit }: Starter,
  holds: { postgres: Postgres | undefined; secrets: StackPlan["secrets"] },
): Promise<{ vault: OpenBao; approle: Provisioned }> {
  say("OpenBao");
  const vault = keep(await startOpenBao({ dir: material.path("openbao"), ...onExit("openbao") }));
  const { postgres, secrets } = holds;
  const { url: address, rootToken: token } = vault;
  const approle = await provisionVault({ address, token, secrets, ...(postgres ? { postgres } : {}) });
  return { vault, approle };
}

export interface Clients {
  names: readonly string[];
  secret: string;
}

export async function startTokens(
  material: Material,
  { say, keep, onExit }: Starter,
  of: { edgeUrl: string; servers: readonly string[]; clients: Clients; port: number | undefined },
): Promise<Issuer> {
  say("OAuth issuer");
  const scopes = of.servers.map((server) => `mcp:${server}`);
  return keep(
    await startIssuer({
      dir: material.path("issuer"),
      ...(of.port === undefined ? {} : { port: of.port }),
      config: {
        resources: of.servers.map((server) => `${of.edgeUrl}/mcp/${server}`),
        clients: of.clients.names.map((id) => ({ id, secret: of.clients.secret, scopes })),
      },
      ...onExit("issuer"),
    }),
  );
}
