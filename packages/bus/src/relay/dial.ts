import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { RelayAddress } from "./address.ts";
import { readGreeting } from "./greeting.ts";
import { openTunnel, type RelayProxy } from "./proxy.ts";
import { openSocket, startTls } from "./stream.ts";
import { openWebSocket } from "./websocket.ts";

/** How a relay is reached, the same at each connection. */
export interface RelayRoad {
  /** PEM of the only authority that counts for `tls://` and `wss://`; the system's without it. */
  readonly caFile?: string | undefined;
  /** TLS begins at once, as a relay with `handshake_first` has it, and not after the relay's INFO. */
  readonly tlsFirst?: boolean | undefined;
  readonly proxy?: RelayProxy | undefined;
}

/** A connection that carries NATS's protocol, and what of it was read already. */
export interface Dialled {
  readonly stream: Duplex;
  readonly read: Buffer | undefined;
  /** The end of the relay's certificate; undefined where there is no TLS. */
  readonly certificateUntil: Date | undefined;
}

/**
 * Step by step: TCP, or a tunnel through the proxy; TLS; WebSocket. Each throws `denied` where somebody has to mend
 * something and `unavailable` where waiting may help, and leaves no socket behind.
 */
export async function dialRelay(to: RelayAddress, road: RelayRoad, signal: AbortSignal): Promise<Dialled> {
  const endpoint = { name: to.url, setting: "nats.servers", host: to.host, port: to.port };
  const tls = { caFile: road.caFile, authority: "nats.caFile", websocket: to.websocket };
  let certificateUntil: Date | undefined;
  const secure = async (socket: Socket) => {
    const secured = await startTls(socket, endpoint, { tls, signal });
    certificateUntil = secured.getPeerX509Certificate()?.validToDate;
    return secured;
  };

  const socket =
    road.proxy === undefined ? await openSocket(endpoint, signal) : await openTunnel(road.proxy, to, signal);
  if (to.websocket) {
    const stream = await openWebSocket(to.tls ? await secure(socket) : socket, to, signal);
    return { stream, read: undefined, certificateUntil };
  }
  if (to.tls && road.tlsFirst === true)
    return { stream: await secure(socket), read: undefined, certificateUntil };
  try {
    const read = await readGreeting(socket, to, signal);
    return { stream: to.tls ? await secure(socket) : socket, read, certificateUntil };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
