import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connectBus, openRoad } from "@sallyport/bus";
import { exchangeRoad, ServiceError } from "@sallyport/contracts";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import { CallsInProgress, Doors, handleExchange, Leases, sessionNames } from "@sallyport/gate";
import { jwksFromFile, tokenVerifier } from "@sallyport/grant";
import { compilePolicies } from "@sallyport/policy";
import { generateRecipientKey } from "@sallyport/seal";
import { startNats, until } from "@sallyport/testkit";
import { exportJWK, SignJWT } from "jose";
import { openServers } from "../../apps/connector/src/servers.ts";
import type { Caller } from "../../apps/edge/src/tunnel/grants.ts";
import type { OpenTunnel } from "../../apps/edge/src/tunnel/tunnel.ts";
import { Tunnels } from "../../apps/edge/src/tunnel/tunnels.ts";
import { type RoadProxy, roadProxy } from "./road-proxy.fixture.ts";

const issuer = "https://issuer.example";
const tenant = "acme";
const server = "reflector";
const audience = `https://edge.example/mcp/${server}`;

export interface EdgeEnd {
  name: string;
  tunnels: Tunnels;
  /** Plaintext of every control message that this edge said: grants and tokens. */
  secrets: string[];
  /** A tunnel to this connector with a session that works. */
  tunnelTo(connector: string): Promise<OpenTunnel>;
}

export interface ConnectorEnd {
  name: string;
  doors: Doors;
  proxy: RoadProxy;
  reflector: Reflector;
}

/** Two edges and two connectors, made of the apps' own parts, over a relay that keeps nobody from anything. */
export interface World {
  edges: Record<"e1" | "e2", EdgeEnd>;
  connectors: Record<"c1" | "c2", ConnectorEnd>;
  /** Somebody who can publish and hear everything. */
  stranger: Bus;
  logged: string[];
  /** Public, and known to whoever wants to seal something to them. */
  connectorKeys: Record<"c1" | "c2", string>;
  /** An agent with a token of the issuer. */
  caller(agent: string): Promise<Caller>;
  close(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const nats = await startNats({ jetstream: false });
  const folder = await mkdtemp(join(tmpdir(), "relay-world-"));
  const closing: (() => Promise<unknown> | unknown)[] = [
    () => nats.stop(),
    () => rm(folder, { recursive: true, force: true }),
  ];
  const logged: string[] = [];
  const say = (fields: object, message: string) => {
    const { err } = fields as { err?: unknown };
    logged.push(`${message} ${err === undefined ? "" : String((err as { code?: unknown }).code ?? err)}`);
  };
  const log = { debug: say, info: say, warn: say, error: say } as unknown as ConstructorParameters<
    typeof Doors
  >[0]["log"];
  const joinAs = async (zone: "edge" | "connector" | "operator", instance: string, url = nats.url) => {
    const bus = await connectBus({ servers: [url], who: { zone, instance }, log });
    closing.push(() => bus.close());
    return bus;
  };
  const now = () => new Date();

  const issuerKeys = generateKeyPairSync("ed25519");
  const jwksFile = join(folder, "jwks.json");
  await writeFile(
    jwksFile,
    JSON.stringify({ keys: [{ ...(await exportJWK(issuerKeys.publicKey)), kid: "k1", alg: "EdDSA" }] }),
  );
  const verify = () => tokenVerifier({ issuer, audience, keys: jwksFromFile(jwksFile), now });

  const edgeKeys = { e1: generateKeyPairSync("ed25519"), e2: generateKeyPairSync("ed25519") };
  const publicKeysOf = (edge: string): readonly KeyObject[] => {
    const pair = edgeKeys[edge as "e1" | "e2"];
    return pair === undefined ? [] : [pair.publicKey];
  };
  const connectorKeys = { c1: await generateRecipientKey(), c2: await generateRecipientKey() };

  const connectorEnd = async (name: "c1" | "c2"): Promise<ConnectorEnd> => {
    const proxy = await roadProxy(nats.port);
    const bus = await joinAs("connector", name, proxy.url);
    const reflector = await startReflector();
    const { privateKey } = connectorKeys[name];
    const nobody = async () => {
      throw new ServiceError("unavailable", "there is no broker here");
    };
    const leases = new Leases({ lease: nobody, release: nobody, claim: nobody });
    const servers = await openServers({ [server]: { url: reflector.url } }, { leases, log });
    const policies = compilePolicies([
      { name: "all.cedar", text: `@id("all") permit(principal, action, resource in Server::"${server}");` },
    ]);
    const verifyToken = verify();
    const deps: Parameters<typeof handleExchange>[0] = {
      ...{ zone: "connector", tenant, servers, policies, leases, log },
      sessions: sessionNames(name, () => [privateKey]),
      calls: new CallsInProgress("connector"),
      audit: { append: async () => undefined, appendLater: async () => undefined },
      maxBodyBytes: 1024 * 1024,
    };
    const road = openRoad(bus, exchangeRoad, { message: (peer, bytes) => doors.message(peer, bytes) });
    const doors: Doors = new Doors({
      zone: "connector",
      ...{ connector: name, privateKeys: () => [privateKey], edgeKeys: publicKeysOf, log, now },
      road,
      checks: {
        connector: name,
        tenant,
        edgeKeys: publicKeysOf,
        verifyToken,
        isRevoked: () => undefined,
        now,
      },
      call: (exchange, grants) => void handleExchange(deps, exchange, grants),
      granted: async () => undefined,
    });
    closing.push(
      () => proxy.close(),
      () => reflector.close(),
      ...[...servers.values()].map((one) => () => one.upstream.close()),
      () => doors.close(),
    );
    await bus.nats.flush();
    return { name, doors, proxy, reflector };
  };

  const enrolments = Object.entries(connectorKeys).map(([connector, { publicKey }]) => ({
    ...{ zone: "connector" as const, connector, publicKey },
    servers: [server],
  }));
  const edgeEnd = async (name: "e1" | "e2"): Promise<EdgeEnd> => {
    const bus = await joinAs("edge", name);
    const secrets: string[] = [];
    const road = openRoad(bus, exchangeRoad, { message: (peer, bytes) => tunnels.message(peer, bytes) });
    const tunnels: Tunnels = new Tunnels(
      {
        get: (connector) => enrolments.find((one) => one.connector === connector),
        knows: (asked) => asked === server,
      },
      {
        road,
        signer: { edge: name, tenant, key: edgeKeys[name].privateKey, now },
        log,
      },
    );
    closing.push(() => tunnels.close());
    await bus.nats.flush();
    const tunnelTo = (connector: string) =>
      until(
        `a tunnel from ${name} to ${connector}`,
        () => {
          tunnels.heard(connector, { boot: "one", servers: [{ name: server, ready: true }] });
          if (!tunnels.connected().includes(connector)) return undefined;
          const open = tunnels.choose(server, { connector, begins: true });
          if (open.link.error) return undefined;
          listenTo(open, secrets);
          return open;
        },
        { within: 10_000 },
      );
    return { name, tunnels, secrets, tunnelTo };
  };

  const verifyToken = verify();
  const world: World = {
    edges: { e1: await edgeEnd("e1"), e2: await edgeEnd("e2") },
    connectors: { c1: await connectorEnd("c1"), c2: await connectorEnd("c2") },
    stranger: await joinAs("operator", "stranger"),
    logged,
    connectorKeys: { c1: connectorKeys.c1.publicKey, c2: connectorKeys.c2.publicKey },
    caller: async (agent) => {
      const token = await new SignJWT({ client_id: agent, scope: `mcp:${server}` })
        .setProtectedHeader({ alg: "EdDSA", kid: "k1", typ: "at+jwt" })
        .setIssuer(issuer)
        .setSubject(agent)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime("10m")
        .setJti(crypto.randomUUID())
        .sign(issuerKeys.privateKey);
      return { token, facts: await verifyToken(token, server) };
    },
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
  return world;
}

/** Keeps what the link says before it is sealed. */
function listenTo({ link }: OpenTunnel, secrets: string[]): void {
  if (Object.hasOwn(link, "control")) return;
  const control = link.control.bind(link);
  link.control = (message) => {
    secrets.push(JSON.stringify(message));
    control(message);
  };
}

/** What an agent's call came to. */
export interface Outcome {
  status: number | undefined;
  /** What arrived, whether or not it went on. */
  body: string;
  ended: boolean;
  error: ServiceError | undefined;
}

export interface Running {
  so: Outcome;
  /** Resolves at end or error; refuses after 10 s, which no call here may take. */
  over: Promise<Outcome>;
  cancel(): void;
}

/** One `tools/call` of the reflector through a tunnel, as the edge's `handleCall` makes it. */
export async function callThrough(
  tunnel: OpenTunnel,
  caller: Caller,
  of: { tool: string; arguments: object },
): Promise<Running> {
  const grant = await tunnel.grants.use(caller, server);
  const so: Outcome = { status: undefined, body: "", ended: false, error: undefined };
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const clock = setTimeout(() => reject(new Error(`a call has no end: ${JSON.stringify(so)}`)), 10_000);
  const finish = () => {
    clearTimeout(clock);
    grant.release();
    resolve(so);
  };
  const params = { name: of.tool, arguments: of.arguments };
  const headers: [string, string][] = [
    ["content-type", "application/json"],
    ["accept", "application/json, text/event-stream"],
    ["mcp-protocol-version", "2025-11-25"],
  ];
  const exchange = tunnel.link.open(
    {
      head: { grant: grant.handle, server, method: "POST", headers, deadlineMs: 8_000 },
      body: Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })),
      deadlineMs: 8_000,
    },
    {
      head: (head) => {
        so.status = (head as { status: number }).status;
      },
      data: (chunk) => {
        so.body += Buffer.from(chunk).toString();
        exchange.consumed(chunk.length);
      },
      end: () => {
        so.ended = true;
        finish();
      },
      fail: (error) => {
        so.error = error;
        finish();
      },
    },
  );
  promise.catch(() => undefined);
  return {
    so,
    over: promise,
    cancel: () => {
      exchange.cancel();
      finish();
    },
  };
}
