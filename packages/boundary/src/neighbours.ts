import { once } from "node:events";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

/** A server of the host. What counts is whether somebody came. */
export interface Visited {
  readonly count: () => number;
}

/** What a host has that no sandbox may reach, made for the list and gone with it. */
export interface Neighbours {
  /** A file of the runner that any user may read. */
  readonly secretFile: string;
  /** The same in the host's shared memory. */
  readonly sharedFile: string;
  readonly unixSocket: Visited & { readonly path: string };
  readonly abstractSocket: Visited & { readonly name: string };
  /** Greets as a NATS server does. */
  readonly nats: Visited & { readonly port: number };
  /** An HTTP server that says back all that it was asked. */
  readonly echo: Visited & { readonly port: number; readonly heard: () => string };
  close(): Promise<void>;
}

const mostHeard = 262_144;

export async function openNeighbours(folder: string, canary: string): Promise<Neighbours> {
  await mkdir(folder);
  await chmod(folder, 0o755);
  const secretFile = join(folder, "secret");
  const sharedFile = `/dev/shm/sallyport-${canary.slice(0, 12)}`;
  for (const file of [secretFile, sharedFile]) await writeFile(file, `${canary}\n`, { mode: 0o644 });
  const path = join(folder, "host.sock");
  const name = `sallyport-${canary.slice(0, 12)}`;
  const unix = await open(createServer(greet), { path });
  await chmod(path, 0o777);
  const abstract = await open(createServer(greet), { path: `\0${name}` });
  const nats = await open(createServer(greet), { port: 0, host: "127.0.0.1" });
  let heard = "";
  const echo = await open(
    createHttp((request, response) => {
      sayBack(request, response, (text) => {
        heard = (heard + text).slice(-mostHeard);
      });
    }),
    { port: 0, host: "127.0.0.1" },
  );
  return {
    secretFile,
    sharedFile,
    unixSocket: { path, count: unix.count },
    abstractSocket: { name, count: abstract.count },
    nats: { port: nats.port(), count: nats.count },
    echo: { port: echo.port(), count: echo.count, heard: () => heard },
    async close() {
      await Promise.all([unix, abstract, nats, echo].map(({ close }) => close()));
      await rm(sharedFile, { force: true });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function greet(socket: Socket): void {
  socket.end('INFO {"server_id":"boundary","auth_required":false}\r\n');
}

/** `/redirect?to=…` leads on; every other path is told in full, headers and body, as a careless API does. */
function sayBack(request: IncomingMessage, response: ServerResponse, hear: (text: string) => void): void {
  const head = `${request.method} ${request.url}\n${request.rawHeaders.join("\n")}\n`;
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body = (body + chunk.toString("latin1")).slice(0, mostHeard);
  });
  request.on("end", () => {
    hear(head + body);
    const to = new URL(request.url ?? "/", "http://echo").searchParams.get("to");
    if (request.url?.startsWith("/redirect") && to !== null) {
      response.writeHead(302, { location: to }).end();
      return;
    }
    const authorization = request.headers.authorization ?? "";
    const status = request.url?.startsWith("/error") ? 500 : 200;
    response.writeHead(status, { "x-you-sent": authorization }).end(`you sent:\n${head}${body}`);
  });
}

interface Open {
  readonly port: () => number;
  readonly count: () => number;
  readonly close: () => Promise<void>;
}

async function open(server: Server, where: { path: string } | { port: number; host: string }): Promise<Open> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("connection", (socket: Socket) => {
    count++;
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(where);
  await once(server, "listening");
  return {
    port: () => (server.address() as AddressInfo).port,
    count: () => count,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
