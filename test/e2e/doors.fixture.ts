import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Door {
  url: string;
  /** TCP connections that were ever made to it. */
  connections(): number;
  close(): Promise<void>;
}

/** A TCP door in front of a server, which counts who comes: what was refused must not even connect. */
export async function doorTo(url: string, host = "127.0.0.1"): Promise<Door> {
  const target = new URL(url);
  const { port, hostname } = target;
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((incoming) => {
    connections += 1;
    const outgoing = connect(Number(port), hostname);
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    incoming.pipe(outgoing).pipe(incoming);
  });
  target.port = String(await listening(server, host));
  target.hostname = host;
  return {
    url: target.href,
    connections: () => connections,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await closed(server);
    },
  };
}

export interface WebServer extends Door {
  requests: readonly IncomingMessage[];
}

/** A server of the test's own, which counts connections and keeps what came. */
export async function webServer(answer: RequestListener): Promise<WebServer> {
  const requests: IncomingMessage[] = [];
  let connections = 0;
  const server = createHttpServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.on("connection", () => {
    connections += 1;
  });
  const port = await listening(server);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    requests,
    connections: () => connections,
    close: async () => {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

async function listening(server: Server, host = "127.0.0.1"): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
