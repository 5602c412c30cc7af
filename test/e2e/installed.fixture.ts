import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startReflector } from "@sallyport/example-servers";
import { connectRelayAdmin, provisionStreams, type RelayAdmin } from "@sallyport/infra-nats";
import { findTool, freePort, type Server, startIssuer, startServer } from "@sallyport/testkit";
import { stringify } from "yaml";
import { type Reply, type RpcMessage, toolCall } from "./call.fixture.ts";

const root = join(import.meta.dirname, "../..");

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** The operator's command line as the process that it is. */
export function sallyport(...args: string[]): Promise<Ran> {
  const command = ["--disable-warning=ExperimentalWarning", join(root, "apps/cli/main.ts"), ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { env: {}, maxBuffer: 2 ** 24 }, (error, out, err) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : 1;
      resolve({ code, out, err });
    });
  });
}

/** What must end well. Returns what it printed. */
export async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await sallyport(...args);
  if (code !== 0) throw new Error(`sallyport ${args.join(" ")}: ${code}: ${err}`);
  return out;
}

/** An installation as an operator and two zones' owners make it: by commands alone, and files that change hands. */
export interface Installed {
  folder: string;
  /** The operator's folder. */
  installation: string;
  operator: string;
  relay: Server;
  edgeUrl: string;
  /** Folder of a zone, which has its keys. */
  dir(site: string): string;
  /** A call of an agent, through the edge, the relay and the connector, to the private server. */
  call(): Promise<Reply>;
  start(zone: "edge" | "connector", site: string): Promise<Server>;
  /** How the relay is asked who is connected. */
  admin(): Promise<RelayAdmin>;
  stop(): Promise<void>;
}

/** Everything but the zones' processes is running when it returns. */
export async function startInstalled(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-installed-"));
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await install(folder, stops)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function install(folder: string, stops: (() => Promise<unknown>)[]): Promise<Omit<Installed, "stop">> {
  const ports = { relay: await freePort(), edge: await freePort() };
  const health: Record<string, number> = { "edge-1": await freePort(), paris: await freePort() };
  const edgeUrl = `http://127.0.0.1:${ports.edge}`;
  const resource = `${edgeUrl}/mcp/crm`;
  const secret = crypto.randomUUID();
  const issuer = await startIssuer({
    config: { resources: [resource], clients: [{ id: "agent", secret, scopes: ["mcp:crm"] }] },
  });
  stops.push(issuer.stop);
  const reflector = await startReflector();
  stops.push(() => reflector.close());

  const installation = join(folder, "installation");
  const relayUrl = `tls://localhost:${ports.relay}`;
  const made = await done(
    ...["init", "--out", installation, "--tenant", "acme", "--relay", relayUrl, "--make-ca", "--json"],
    ...["--issuer", issuer.url, "--jwks-url", `${issuer.url}/jwks`, "--public-url", edgeUrl],
    ...["--data", join(folder, "data"), "--max-bytes", String(64 * 2 ** 20)],
  );
  const { operator } = JSON.parse(made) as { operator: string };
  const relay = await startRelay(folder, { installation, port: ports.relay });
  stops.push(relay.stop);
  const caFile = join(installation, "relay/relay-ca.pem");
  await provisionStreams({
    servers: [relayUrl],
    creds: readFileSync(join(installation, "creds/acme/provisioner.creds")),
    maxBytes: { log: 16 * 2 ** 20, bucket: 2 ** 20 },
    caFile,
  });

  const dir = (site: string) => join(folder, site);
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await write("all.cedar", `@id("all") permit(principal, action, resource in Server::"crm");`);
  const more = { telemetry: { sampleRatio: 0 } };
  const settings = {
    "edge-1": { listen: { port: ports.edge }, health: { port: health["edge-1"] }, ...more },
    paris: {
      ...{ servers: { crm: { url: reflector.url } }, policies: [join(folder, "all.cedar")] },
      ...{ health: { port: health.paris }, ...more },
    },
  };
  for (const [zone, site, extra] of [
    ["edge", "edge-1", []],
    ["connector", "paris", ["--servers", "crm"]],
  ] as const) {
    await write(`${site}.yaml`, stringify(settings[site]));
    await done("zone", "request", zone, "--site", site, "--out", dir(site));
    await done(
      ...["zone", "bundle", zone, "--site", site, "--installation", installation, "--yes", ...extra],
      ...["--request", join(dir(site), "request.json"), "--settings", join(folder, `${site}.yaml`)],
      ...["--out", join(folder, `${site}.bundle.json`)],
    );
  }

  const token = async () => {
    const answer = await fetch(`${issuer.url}/token`, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(`agent:${secret}`).toString("base64")}`,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ grant_type: "client_credentials", scope: "mcp:crm", resource }),
    });
    return ((await answer.json()) as { access_token: string }).access_token;
  };
  let bearer: string | undefined;
  return {
    ...{ folder, installation, operator, relay, edgeUrl, dir },
    call: async () => {
      bearer ??= await token();
      const { headers, body } = toolCall("2025-11-25", "plain", { text: "hello" });
      const response = await fetch(resource, {
        method: "POST",
        body,
        headers: {
          ...headers,
          ...{ authorization: `Bearer ${bearer}`, "content-type": "application/json" },
          accept: "application/json, text/event-stream",
        },
      });
      const text = await response.text();
      const message = parsed(text);
      return { status: response.status, headers: response.headers, text, message };
    },
    start: async (zone, site) => {
      const started = await startZone(zone, { folder: dir(site), health: health[site] ?? 0 });
      stops.push(started.stop);
      return started;
    },
    admin: async () => {
      const creds = readFileSync(join(installation, "trust/relay-operator.creds"));
      const admin = await connectRelayAdmin({ servers: [relayUrl], creds, caFile });
      stops.push(admin.close);
      return admin;
    },
  };
}

function parsed(text: string): RpcMessage {
  try {
    return JSON.parse(/^data: ?(\{.*)$/m.exec(text)?.[1] ?? text) as RpcMessage;
  } catch {
    return {};
  }
}

async function startRelay(folder: string, of: { installation: string; port: number }): Promise<Server> {
  await mkdir(join(folder, "relay"));
  return await startServer({
    name: "nats-server",
    command: await findTool("nats-server"),
    args: ["-c", join(of.installation, "relay/nats-server.conf")],
    ...{ folder: join(folder, "relay"), temporary: false },
    ready: () =>
      new Promise((resolve) => {
        const socket = connect(of.port, "127.0.0.1", () => {
          socket.destroy();
          resolve(true);
        });
        socket.on("error", () => resolve(undefined));
      }),
  });
}

async function startZone(zone: string, of: { folder: string; health: number }): Promise<Server> {
  return await startServer({
    name: zone,
    command: process.execPath,
    args: [
      ...["--disable-warning=ExperimentalWarning", join(root, "apps", zone, "main.ts")],
      ...["--config", join(of.folder, `${zone}.yaml`)],
    ],
    ...{ folder: of.folder, temporary: false, readyWithin: 60_000 },
    ready: async () => ((await fetch(`http://127.0.0.1:${of.health}/healthz`)).ok ? true : undefined),
  });
}
