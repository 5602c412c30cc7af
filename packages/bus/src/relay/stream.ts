import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { away, codeOf, refused, tlsFailure } from "./failure.ts";

export interface Endpoint {
  /** What errors call it. */
  readonly name: string;
  /** The setting that names it. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
}

/** A TCP connection, or what to check. When `signal` aborts, the socket is gone. */
export async function openSocket(to: Endpoint, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: to.host, port: to.port, noDelay: true });
  try {
    return await settled(socket, "connect", signal);
  } catch (error) {
    const late = signal.aborted ? " in time" : "";
    throw away(`${to.name} does not answer${late}: check ${to.setting}`, codeOf(error));
  }
}

export interface TlsOptions {
  /** PEM. It is read again for each connection. With it no other authority counts, the system's included. */
  readonly caFile: string | undefined;
  /** The setting of `caFile`. */
  readonly authority: string;
  readonly websocket?: boolean;
}

/** TLS over a connection that is there. Name and chain are checked: there is no setting that leaves it out. */
export async function startTls(
  socket: Socket,
  to: Endpoint,
  { tls, signal }: { tls: TlsOptions; signal: AbortSignal },
): Promise<TLSSocket> {
  const { caFile, authority, websocket = false } = tls;
  try {
    const secure = connectTls({
      socket,
      host: to.host,
      servername: isIP(to.host) === 0 ? to.host : "",
      ...(caFile === undefined ? {} : { ca: readAuthority(caFile, authority) }),
      ...(websocket ? { ALPNProtocols: ["http/1.1"] } : {}),
    });
    return await settled(secure, "secureConnect", signal).catch((error: unknown) => {
      if (signal.aborted) throw away(`${to.name} does not finish the TLS handshake in time`);
      const pinned = caFile !== undefined;
      throw tlsFailure(error, { name: to.name, host: to.host, authority, pinned });
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function readAuthority(file: string, setting: string): Buffer {
  let pem: Buffer;
  try {
    pem = readFileSync(file);
  } catch (error) {
    throw refused(`${setting} cannot be read: ${file}`, codeOf(error));
  }
  // OpenSSL takes a file without a certificate for an empty list, and Node for one that was never given.
  if (!pem.includes("-----BEGIN CERTIFICATE-----"))
    throw refused(`${setting} holds no PEM certificate: ${file}`);
  return pem;
}

/** Waits for an event of a stream; on an error, or when `signal` aborts, destroys it. */
async function settled<T extends Socket>(socket: T, event: string, signal: AbortSignal): Promise<T> {
  // For good: an error between two steps has no listener of its own, and 'close' follows it anyway.
  socket.on("error", () => undefined);
  try {
    await once(socket, event, { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
