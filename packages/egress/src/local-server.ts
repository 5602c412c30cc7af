import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Upstream, UpstreamRequest } from "./upstream.ts";

/** For the tests: a real server, and what has reached it. */
export interface LocalServer extends AsyncDisposable {
  readonly port: number;
  readonly sockets: Socket[];
}

export async function listen(server: Server, host = "127.0.0.1"): Promise<LocalServer> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
  });
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

export function httpServer(answer: RequestListener, host?: string): Promise<LocalServer> {
  return listen(createHttpServer(answer), host);
}

/** Made for these tests alone, for upstream.test and 127.0.0.1. Opens nothing. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBpjCCAU2gAwIBAgIUIYmrc7+hR2pJuH311/SQ/ax+IA0wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNdXBzdHJlYW0udGVzdDAgFw0yNjExMjQxNTI5MThaGA8yMTI2
MTAzMTE1MjkxOFowGDEWMBQGA1UEAwwNdXBzdHJlYW0udGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABDikyBfOnB6u1qwMMSO4R90PoehqXZLE9tmB6n2Vg9V6
jdod7PtDJ1ZuXlQxHoPU4qcMkc3eq2fsmG2FFoo3CIGjczBxMB0GA1UdDgQWBBRp
j2BRI+BmHIeaHi0SkP9gGgR3SjAfBgNVHSMEGDAWgBRpj2BRI+BmHIeaHi0SkP9g
GgR3SjAPBgNVHRMBAf8EBTADAQH/MB4GA1UdEQQXMBWCDXVwc3RyZWFtLnRlc3SH
BH8AAAEwCgYIKoZIzj0EAwIDRwAwRAIgZ/4d4xAKmzdszXQQWGpVlcWD2tYSYXsP
tO3iklyJnmkCICtrz3U4TrqVIFicJVVn3kpU+NUr//2BX5cNns/xrL0S
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNcFWLQc7kFUvF2WU
KuZob63iEufVDkMqXtbLuJ1z0uOhRANCAAQ4pMgXzpwertasDDEjuEfdD6Hoal2S
xPbZgep9lYPVeo3aHez7QydWbl5UMR6D1OKnDJHN3qtn7JhthRaKNwiB
-----END PRIVATE KEY-----`;

export function httpsServer(answer: RequestListener, host?: string): Promise<LocalServer> {
  return listen(createHttpsServer({ cert: CERTIFICATE, key: KEY }, answer), host);
}

/** One request, its answer as text. Rejects with what the handler was given. */
export function ask(
  upstream: Upstream,
  request: Partial<UpstreamRequest> = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: Record<string, unknown> = {};
    const body: Buffer[] = [];
    upstream.dispatch(
      { method: "GET", path: "/", headers: [], ...request },
      {
        onRequestStart() {},
        onResponseStart(_controller, code, got) {
          status = code;
          headers = got;
        },
        onResponseData: (_controller, chunk) => void body.push(chunk),
        onResponseEnd: () => resolve({ status, headers, body: Buffer.concat(body).toString() }),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}
