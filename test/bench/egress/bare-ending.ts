import { readFileSync } from "node:fs";
import { Agent, createServer, request as send } from "node:http";
import type { Socket } from "node:net";
import { connect, createSecureContext, TLSSocket } from "node:tls";

export interface BareEnding {
  readonly socketPath: string;
  readonly port: number;
  /** Files of the upstream's own: it answers as the upstream would. */
  readonly key: string;
  readonly certificate: string;
  readonly token: string;
  readonly placeholder: string;
}

/**
 * The least that ends TLS and places a credential: Node's server, Node's client, one replacement. It checks, decides,
 * records and scrubs nothing: what is cheaper than this is not to be had from one thread of Node.
 */
export function bareEnding({ socketPath, port, key, certificate, token, placeholder }: BareEnding): void {
  const cert = readFileSync(certificate, "utf8");
  const own = createSecureContext({ key: readFileSync(key), cert });
  const trust = createSecureContext({ ca: cert });
  const agent = new Agent({ keepAlive: true });
  agent.createConnection = () =>
    connect({ host: "127.0.0.1", port, servername: "api.test", secureContext: trust });
  const server = createServer(({ rawHeaders, method, url }, response) => {
    const headers = rawHeaders.map((text) => text.replace(placeholder, token));
    send({ agent, host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    })
      .on("error", () => response.destroy())
      .end();
  });
  server.on("connect", (_request, socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    const secure = new TLSSocket(socket, { isServer: true, secureContext: own });
    server.emit(
      "connection",
      secure.on("error", () => secure.destroy()),
    );
  });
  server.listen(socketPath);
}
