import { readFile } from "node:fs/promises";
import { Server as ProxyServer, RequestError } from "proxy-chain";
import type { IssuedCertificate } from "./certificate-authority.ts";

export interface ConnectProxyOptions {
  /** `user:password`; without it the proxy takes everybody. */
  readonly login?: string;
  /** Targets, `host:port`, that it lets through; all without it. */
  readonly allow?: readonly string[];
  /** TLS to the proxy itself. */
  readonly tls?: IssuedCertificate;
  /** Picked by the system unless told. */
  readonly port?: number;
}

export interface ConnectProxy {
  readonly url: string;
  readonly port: number;
  /** Targets that were asked for, those that were refused too, oldest first. */
  readonly asked: readonly string[];
  /** Tunnels that are open now. */
  open(): number;
  stop(): Promise<void>;
}

/** A real HTTP proxy that takes CONNECT, on loopback: `proxy-chain`, whose way of refusing is not ours. */
export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const { login, allow, tls, port = 0 } = options;
  const asked: string[] = [];
  const common = {
    host: "127.0.0.1",
    port,
    prepareRequestFunction: (of: { hostname: string; port: number; username: string; password: string }) => {
      const target = `${of.hostname}:${of.port}`;
      asked.push(target);
      if (login !== undefined && `${of.username}:${of.password}` !== login) {
        return { requestAuthentication: true };
      }
      if (allow !== undefined && !allow.includes(target)) throw new RequestError("not allowed", 403);
      return {};
    },
  };
  const server =
    tls === undefined
      ? new ProxyServer(common)
      : new ProxyServer({
          ...common,
          serverType: "https",
          httpsOptions: { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) },
        });
  await server.listen();
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${server.port}`,
    port: server.port,
    asked,
    open: () => server.getConnectionIds().length,
    stop: () => server.close(true),
  };
}
