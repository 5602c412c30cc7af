import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createHttps } from "node:https";
import { connect, createServer as createTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import { type Door, type Listening, listening } from "./egress.fixture.ts";
import type { TestTls } from "./tls.fixture.ts";

/** A real server of WebSockets, which would like to compress. */
export async function socketServer(serve: (socket: WebSocket) => void, tls?: TestTls) {
  const seen: IncomingMessage["headers"][] = [];
  const http = tls === undefined ? createServer() : createHttps(tls);
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } });
  http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    seen.push(request.headers);
    sockets.handleUpgrade(request, socket, head, serve);
  });
  return Object.assign(await listening(http), { seen });
}

/** A server that says these bytes to whatever it is asked. */
export function bytesServer(answer: (head: string) => string | Buffer): Promise<Listening> {
  return listening(
    createTcp((socket) => socket.once("data", (head) => socket.write(answer(head.toString("latin1"))))),
  );
}

export interface Client {
  readonly socket: WebSocket;
  readonly messages: (string | Buffer)[];
  readonly pings: string[];
  /** Code and reason of the end. */
  readonly closed: Promise<{ code: number; reason: string }>;
}

/** A real client, in absolute form, or through a tunnel whose TLS it trusts whoever ends it. */
export async function client(door: Door, url: string, headers: Record<string, string> = {}): Promise<Client> {
  const { protocol, host, hostname } = new URL(url);
  const plain = connect(door.socketPath);
  if (protocol === "wss:") {
    plain.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const [answer] = (await once(plain, "data")) as [Buffer];
    if (!/^HTTP\/1.1 200/.test(String(answer))) throw new Error(String(answer));
  }
  const socket = new WebSocket(url, {
    headers,
    createConnection: () =>
      protocol === "wss:"
        ? connectTls({ socket: plain, servername: hostname, rejectUnauthorized: false })
        : plain,
    finishRequest: (request) => {
      if (protocol === "ws:") request.path = url;
      request.end();
    },
  });
  const messages: (string | Buffer)[] = [];
  socket.on("message", (data: Buffer, binary) => messages.push(binary ? data : data.toString()));
  const pings: string[] = [];
  socket.on("ping", (data) => pings.push(data.toString()));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve).once("error", reject);
    socket.once("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (piece) => (body += String(piece)));
      response.on("end", () => reject(new Error(`${response.statusCode}: ${body}`)));
    });
  });
  return { socket, messages, pings, closed };
}
