import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { HttpPolicies } from "@sallyport/policy";
import type { Authority } from "./authority.ts";
import { createAuthority } from "./certificate-authority.ts";
import { DenialError } from "./denial.ts";
import { forward } from "./forward.ts";
import type { Placeholder } from "./placeholders.ts";
import { refuse, refuseTunnel } from "./refuse.ts";
import { type EgressDeps, type Identity, Session } from "./session.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";
import { openTunnel } from "./tunnel.ts";
import { upstreamTrust } from "./upstream-trust.ts";
import { Upstreams } from "./upstreams.ts";
import { openWebSocket } from "./websocket.ts";
import { asksForWebSocket } from "./websocket-handshake.ts";

export interface EgressOptions {
  readonly sandbox: string;
  /** Where to listen. Its directory is the sandbox's alone: who can connect is the sandbox. */
  readonly socketPath: string;
  readonly identity: Identity;
  readonly policy: HttpPolicies;
  /** What its environment or files hold in the place of credentials. */
  readonly placeholders?: readonly Placeholder[] | undefined;
  /** URLs whose answers hand out credentials. The sandbox gets placeholders of them. */
  readonly tokenEndpoints?: readonly TokenEndpoint[] | undefined;
}

export interface EgressProxy {
  /** To be trusted inside, PEM; undefined where no credential is placed inside TLS. */
  readonly certificate: string | undefined;
  /** What is open and would be denied now ends now. */
  setPolicy(policy: HttpPolicies): void;
  /** Ends everything that is open, and takes the socket away. */
  close(): Promise<void>;
}

/** The one door of one sandbox. */
export async function openEgress(options: EgressOptions, deps: EgressDeps): Promise<EgressProxy> {
  const { limits } = deps;
  const session = new Session(options, deps);
  const upstreams = new Upstreams(deps, deps.trust ?? upstreamTrust(deps.upstreamCa));
  const hosts = session.placeholders.terminatedHosts;
  const authority = hosts.length === 0 ? undefined : createAuthority(hosts);
  /** Where the tunnel leads that a terminated connection came through. */
  const tunnels = new WeakMap<Duplex, Authority>();
  const sockets = new Set<Duplex>();
  const reading = new WeakMap<Duplex, { request: IncomingMessage; response: ServerResponse }>();
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headTimeoutMs,
    requestTimeout: limits.totalMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
    shouldUpgradeCallback: asksForWebSocket,
    requireHostHeader: false, // so that what is missing is refused, and recorded, by us
  });
  server.maxConnections = limits.connections;
  server.maxHeadersCount = 0; // beyond its count Node would drop headers in silence; ours refuses
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    reading.set(request.socket, { request, response });
    response.on("close", () => request.complete && reading.delete(request.socket));
    void forward({ request, response, tunnel: tunnels.get(request.socket) }, { session, upstreams });
  });
  server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void openTunnel({ request, socket, head, within: tunnels.get(socket) }, { session, terminate });
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void openWebSocket({ request, socket, head, tunnel: tunnels.get(socket) }, { session, upstreams });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET") return void socket.destroy(); // gone: nothing was asked for
    const reason = "this is not HTTP/1.1 as the proxy reads it";
    const exchange = reading.get(socket);
    if (exchange !== undefined) {
      // Broken in its body: its record is written already.
      refuse(exchange.request, exchange.response, new DenialError({ code: "ambiguous", reason }));
      return;
    }
    const ask = { method: "", scheme: "http", host: "", port: 0, path: "", tls: false } as const;
    void session
      .denied(ask, { code: "ambiguous", reason })
      .then((error) => (socket.writable ? refuseTunnel(socket, error) : socket.destroy()));
  });
  function terminate(socket: Duplex, to: Authority): void {
    if (authority === undefined) return void socket.destroy();
    const secureContext = authority.contextFor(to.host);
    const secure = new TLSSocket(socket as Socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ["http/1.1"],
    });
    tunnels.set(secure, to);
    server.emit("connection", secure);
  }
  server.listen(options.socketPath);
  await once(server, "listening");
  return {
    certificate: authority?.certificate,
    setPolicy: (policy) => session.setPolicy(policy),
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, upstreams.destroy()]);
      session.tokens.close();
    },
  };
}
