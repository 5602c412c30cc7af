import { once } from "node:events";
import type { Socket } from "node:net";
import { ServiceError } from "@sallyport/contracts";
import type { RelayAddress } from "./address.ts";
import { away, codeOf, refused } from "./failure.ts";

const maxBytes = 64 * 1024;

/**
 * What a relay says first, in clear: its INFO. NATS begins TLS after it, so whoever is on the way can write it anew.
 * For a `tls://` server nothing of it counts: not that TLS is not wanted, and nothing that follows it before TLS, which
 * a client would take for what the relay said inside.
 *
 * @returns the bytes, for the parser that expects them
 */
export async function readGreeting(socket: Socket, from: RelayAddress, signal: AbortSignal): Promise<Buffer> {
  const greeting = await readLine(socket, from, signal);
  const end = greeting.indexOf("\r\n") + 2;
  const info = infoIn(greeting.toString("utf8", 0, end));
  if (info === undefined) throw refused(`${from.url} does not speak NATS: check nats.servers`);
  if (from.tls) {
    if (info.tls_required !== true && info.tls_available !== true) {
      throw refused(
        `${from.url} does not offer TLS: the relay has no tls block, or somebody on the way took it out; without it nothing is sent`,
      );
    }
    if (greeting.length > end)
      throw refused(`${from.url} speaks in clear where TLS has to begin: nothing is sent`);
  } else if (info.tls_required === true) {
    throw refused(`${from.url} wants TLS: write tls:// in nats.servers`);
  }
  return greeting;
}

async function readLine(socket: Socket, from: RelayAddress, signal: AbortSignal): Promise<Buffer> {
  let seen = Buffer.alloc(0);
  try {
    while (!seen.includes("\r\n")) {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null) seen = Buffer.concat([seen, chunk]);
      else if (socket.readableEnded || socket.destroyed) throw unspoken(from);
      else await Promise.race([once(socket, "readable", { signal }), once(socket, "close", { signal })]);
      if (seen.length > maxBytes) throw refused(`${from.url} does not speak NATS: check nats.servers`);
    }
    return seen;
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw unspoken(from);
    throw error instanceof ServiceError ? error : away(`${from.url} breaks off`, codeOf(error));
  }
}

function unspoken({ url }: RelayAddress) {
  return away(`${url} says nothing: check nats.servers, and nats.tlsFirst where the relay waits for TLS`);
}

function infoIn(line: string): { tls_required?: unknown; tls_available?: unknown } | undefined {
  const json = /^INFO\s+(\{.*\})\s*\r\n$/i.exec(line)?.[1];
  try {
    return json === undefined ? undefined : (JSON.parse(json) as object);
  } catch {
    return undefined;
  }
}
