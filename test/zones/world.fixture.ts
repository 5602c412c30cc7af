import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  demoPlan,
  Material,
  sandboxHost,
  startZone,
  type ZoneProcess,
  zoneConfigs,
} from "@sallyport/infra-local";
import { provisionStreams, serverConfig } from "@sallyport/infra-nats";
import { provisionVault } from "@sallyport/infra-vault";
import {
  findTool,
  makeCertificateAuthority,
  startIssuer,
  startOpenBao,
  startPostgres,
  startServer,
  until,
} from "@sallyport/testkit";
import { listens, type Place } from "./dials.ts";
import { type Network, openNetwork } from "./network.fixture.ts";
import { logged, openRoads, program } from "./roads.fixture.ts";
import { through } from "./through.fixture.ts";

const edgeName = "edge.internal";
const client = { id: "demo-agent", secret: randomBytes(18).toString("base64url") };

/** Every zone as a process in a network of its own, with what it needs in others, and a firewall between all of them. */
export interface World {
  network: Network;
  material: Material;
  zones: ReadonlyMap<Place, ZoneProcess>;
  /** Where whoever stands at a place finds the relay, from here; its certificate is `certificate("relay")`. */
  relayFrom(place: Place): Promise<{ url: string; caFile: string }>;
  vault: {
    /** A port here that leads to Vault as one who stands there. */
    doorFrom(place: Place): Promise<number>;
    caFile: string;
    roleId: string;
    wrappedSecretId(): Promise<string>;
  };
  /** One tool call of an agent, from where agents are. */
  call(server: string, tool: string, args: Record<string, unknown>): Promise<string>;
  stop(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    return { ...(await start((one) => stops.push(one))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(onStop: (stop: () => Promise<unknown>) => void): Promise<Omit<World, "stop">> {
  const keep = <T extends { stop(): Promise<void> }>(one: T): T => {
    onStop(() => one.stop());
    return one;
  };
  const dir = await mkdtemp(join(tmpdir(), "sallyport-zones-"));
  if (!process.env.KEEP)
    onStop(() => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  const network = await openNetwork();
  onStop(() => network.remove());
  const material = await Material.create(dir);
  const roads = openRoads(network, dir);
  onStop(() => roads.close());
  const address = (place: Place) => `${network.address(place)}:${listens[place]}`;
  const authority = await makeCertificateAuthority(join(dir, "authority"));
  const { caFile } = authority;
  const tls = (place: Place) =>
    authority.issue([`${place}.internal`, network.address(place), "127.0.0.1", "localhost"]);

  // The relay, in its own network.
  const relayTls = await tls("relay");
  const config = serverConfig(material.trust, {
    listen: address("relay"),
    tls: relayTls,
    jetstream: { dir: join(dir, "jetstream"), syncAlways: true, maxBytes: 1024 ** 3 },
  });

  const [enter, ...entered] = network.enter("relay");
  keep(
    await startServer({
      ...{ name: "relay", command: enter, folder: dir, temporary: false },
      args: [
        ...entered,
        await findTool("nats-server"),
        "--config",
        material.write("nats-server.conf", config),
      ],
      ready: logged(join(dir, "relay.log"), "Server is ready"),
    }),
  );
  const relayDoors = new Map<Place, { url: string; caFile: string }>();
  const relayFrom = async (place: Place) => {
    const known = relayDoors.get(place);
    if (known !== undefined) return known;
    const port = await roads.door(place, { host: network.address("relay"), port: listens.relay ?? 0 });
    const found = { url: `tls://127.0.0.1:${port}`, caFile };
    relayDoors.set(place, found);
    return found;
  };
  const { url } = await relayFrom("operator");
  await provisionStreams({
    ...{ servers: [url], caFile, pools: ["sandbox"] },
    creds: await material.provisionerCreds(),
    maxBytes: { log: 64 * 1024 ** 2, bucket: 16 * 1024 ** 2 },
  });

  // What zones use of the organisation's: its issuer, its API, its database, its Vault.
  const ordersToken = randomBytes(24).toString("base64url");
  keep(
    await startServer({
      name: "orders",
      ...program(network, "servers", [
        ...[
          "../../examples/servers/orders/main.ts",
          "--token-file",
          material.write("orders-token", ordersToken),
        ],
        ...["--host", network.address("servers"), "--port", String(listens.servers)],
        ...["--allow-host", "orders.internal", "--allow-host", network.address("servers")],
      ]),
      folder: dir,
      temporary: false,
      ready: logged(join(dir, "orders.log"), '"url"'),
    }),
  );
  const plan = { dir, ...demoPlan({ ordersUrl: `http://${address("servers")}/mcp`, ordersToken }) };
  const postgres = keep(await startPostgres({ dir: join(dir, "postgres") }));
  await postgres.query(plan.postgres?.schema ?? "");
  await roads.front("database", { port: listens.database ?? 0, to: postgres.port });
  const vault = keep(await startOpenBao({ dir: join(dir, "openbao") }));
  const approle = await provisionVault({
    ...{ address: vault.url, token: vault.rootToken, postgres, secrets: plan.secrets },
  });
  const vaultTls = await tls("vault");
  await roads.front("vault", { port: listens.vault ?? 0, to: vault.port, tls: vaultTls });
  const edgeUrl = `https://${edgeName}:${listens.edge}`;
  const servers = plan.servers({
    postgres: { ...postgres, host: network.address("database") as "127.0.0.1", port: listens.database ?? 0 },
  });
  const resources = [...Object.keys(servers), ...Object.keys(plan.sandboxes ?? {})];
  const issuer = keep(
    await startIssuer({
      dir: join(dir, "issuer"),
      config: {
        resources: resources.map((server) => `${edgeUrl}/mcp/${server}`),
        clients: [{ ...client, scopes: resources.map((server) => `mcp:${server}`) }],
      },
    }),
  );
  const issuerTls = await tls("issuer");
  const issuerPort = await keysOf(issuer.url, onStop);
  await roads.front("issuer", { port: listens.issuer ?? 0, to: issuerPort, tls: issuerTls });

  // The zones.
  const host = keep(await sandboxHost());
  const at = network.address("servers");
  const egress = { "orders.internal:8080": at, "elsewhere.internal:8080": at };
  const [pool] = Object.values(plan.sandboxes ?? {}) as { pool: { egress: { addresses: object } } }[];
  if (pool !== undefined) pool.pool.egress.addresses = egress;
  const configs = await zoneConfigs(material, plan, {
    natsUrl: `tls://${address("relay")}`,
    vault: {
      ...{ url: `https://${address("vault")}`, roleId: approle.roleId },
      wrappedSecretId: await approle.wrappedSecretId(),
    },
    ...{ issuerUrl: issuer.url, edgePort: listens.edge ?? 0, edgeUrl, servers },
    sandboxHosts: new Map([["runner-1", host.settings]]),
  });
  const edgeTls = await tls("edge");
  const keys = { caFile, jwksUrl: `https://${address("issuer")}/jwks` };
  const zones = new Map<Place, ZoneProcess>();
  const started = await Promise.allSettled(
    configs.map(async ({ zone, instance, config: given }) => {
      const { nats, tokens, vault: login, ...config } = given as Given;
      const apart = {
        ...config,
        nats: { ...nats, caFile },
        ...(tokens === undefined ? {} : { tokens: { ...tokens, ...keys } }),
        ...(login === undefined ? {} : { vault: { ...login, caFile } }),
        ...(zone === "edge" ? { listen: edgeListen(network, edgeTls) } : {}),
      };
      const place: Place = zone;
      zones.set(
        place,
        keep(await startZone(material, { zone, instance, config: apart, enter: network.enter(place) })),
      );
    }),
  );
  for (const one of started) if (one.status === "rejected") throw one.reason;
  for (const one of zones.values())
    await until(
      `${one.zone} being ready`,
      async () => {
        const { ready, text } = await one.readiness();
        if (!ready) throw new Error(text);
        return true;
      },
      { within: 60_000 },
    );

  const edgePort = await roads.door("agent", { host: network.address("edge"), port: listens.edge ?? 0 });
  const edge = through(edgePort, edgeName, caFile);
  onStop(() => edge.close());
  return {
    ...{ network, material, zones, relayFrom },
    vault: {
      doorFrom: (place) => roads.door(place, { host: network.address("vault"), port: listens.vault ?? 0 }),
      ...{ caFile, roleId: approle.roleId },
      wrappedSecretId: () => approle.wrappedSecretId(),
    },
    call: async (server, tool, args) => {
      const token = await requestToken(issuer.url, { server, resource: `${edgeUrl}/mcp/${server}` });
      const transport = new StreamableHTTPClientTransport(new URL(`${edgeUrl}/mcp/${server}`), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
        fetch: edge.fetch,
      });
      const agent = new Client({ name: "zones", version: "1" });
      await agent.connect(transport);
      try {
        const result = await agent.callTool({ name: tool, arguments: args });
        return (result.content as { text?: string }[]).map((part) => part.text ?? "").join("\n");
      } finally {
        await transport.terminateSession?.().catch(() => undefined);
        await agent.close();
      }
    },
  };
}

interface Given {
  nats: object;
  tokens?: object;
  vault?: object;
}

function edgeListen(network: Network, tls: object): object {
  return { host: network.address("edge"), port: listens.edge, tls };
}

async function requestToken(
  issuer: string,
  { server, resource }: { server: string; resource: string },
): Promise<string> {
  const answer = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({ grant_type: "client_credentials", scope: `mcp:${server}`, resource }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** The issuer's keys under whatever name they are asked for: the example issuer answers to its own alone. Its port here. */
async function keysOf(issuer: string, onStop: (stop: () => Promise<unknown>) => void): Promise<number> {
  const server = createServer(async (_request, response) => {
    const keys = await fetch(`${issuer}/jwks`);
    response.setHeader("content-type", "application/json").end(await keys.text());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onStop(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
