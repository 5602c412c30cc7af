import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocket } from "ws";
import type { RelayAddress } from "./address.ts";
import { away, codeOf, refused } from "./failure.ts";

/** nats-server puts what waits for a client into one frame: its `max_pending` (64 MiB) and a message more. */
const maxFrameBytes = 66 * 1024 * 1024;

/** The bytes of NATS's protocol in binary frames of a WebSocket (RFC 6455) over a connection that is there. */
export async function openWebSocket(socket: Socket, to: RelayAddress, signal: AbortSignal): Promise<Duplex> {
  const name = `${to.host.includes(":") ? `[${to.host}]` : to.host}:${to.port}`;
  const websocket = new WebSocket(`${to.tls ? "wss" : "ws"}://${name}${to.path}`, {
    createConnection: () => socket,
    // A compressed frame is as large as its sender likes, and what is inside is sealed: there is nothing to gain.
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: maxFrameBytes,
  });
  websocket.binaryType = "nodebuffer";
  const abort = () => websocket.terminate();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await new Promise<Duplex>((resolve, reject) => {
      websocket.on("unexpected-response", (_request, { statusCode = 0 }) => {
        const what = `what answers at ${to.url} is no WebSocket of a relay (${statusCode})`;
        reject(statusCode >= 500 ? away(what) : refused(`${what}: check nats.servers`));
      });
      websocket.on("error", (error) => {
        const code = codeOf(error);
        if (signal.aborted) reject(away(`${to.url} does not answer as a WebSocket in time`));
        else if (code.startsWith("HPE_"))
          reject(refused(`${to.url} does not speak HTTP: check nats.servers`, code));
        else reject(away(`${to.url} breaks off while the WebSocket begins`, code));
      });
      websocket.on("open", () => {
        const stream = createWebSocketStream(websocket);
        stream.on("error", () => undefined);
        resolve(stream);
      });
    });
  } catch (error) {
    websocket.terminate();
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
