import { request } from "node:http";
import type { Socket } from "node:net";
import type { ServiceError } from "@sallyport/contracts";
import { away, codeOf, refused } from "./failure.ts";
import { openSocket, startTls } from "./stream.ts";

/** An HTTP proxy that takes CONNECT: the one way out of many private networks. */
export interface RelayProxy {
  /** `http://proxy:3128`, or `https:` for TLS to the proxy itself. Without a login. */
  readonly url: string;
  /** `user:password`, asked for each connection. */
  readonly login?: (() => Promise<string>) | undefined;
  /** Of an `https:` proxy: the only authority that counts for it. */
  readonly caFile?: string | undefined;
}

const maxHeadBytes = 16 * 1024;

/** A connection to `host:port` through the proxy (RFC 9110, section 9.3.6). */
export async function openTunnel(
  proxy: RelayProxy,
  to: { host: string; port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const url = new URL(proxy.url);
  const secure = url.protocol === "https:";
  const endpoint = {
    name: `the proxy ${url.origin}`,
    setting: "nats.proxy.url",
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || (secure ? 443 : 80)),
  };
  const authorization = proxy.login === undefined ? undefined : basic(await read(proxy.login));
  let socket = await openSocket(endpoint, signal);
  if (secure) {
    const tls = { caFile: proxy.caFile, authority: "nats.proxy.caFile", websocket: true };
    socket = await startTls(socket, endpoint, { tls, signal });
  }
  const target = `${to.host.includes(":") ? `[${to.host}]` : to.host}:${to.port}`;
  try {
    return await connectThrough(socket, { target, authorization, proxyName: endpoint.name, signal });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function read(login: () => Promise<string>): Promise<string> {
  try {
    return await login();
  } catch (error) {
    throw refused("nats.proxy.credentials cannot be read", (error as Error | undefined)?.message);
  }
}

function basic(login: string): string {
  // A control character could end the header and begin another.
  if (!/^[^:\p{Cc}]+:\P{Cc}*$/u.test(login)) {
    throw refused("nats.proxy.credentials holds no login: write user:password in one line");
  }
  return `Basic ${Buffer.from(login, "utf8").toString("base64")}`;
}

async function connectThrough(
  socket: Socket,
  ask: { target: string; authorization: string | undefined; proxyName: string; signal: AbortSignal },
): Promise<Socket> {
  const { target, authorization, proxyName } = ask;
  return await new Promise<Socket>((resolve, reject) => {
    const asked = request({
      method: "CONNECT",
      path: target,
      createConnection: () => socket,
      maxHeaderSize: maxHeadBytes,
      headers: {
        host: target,
        ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
      },
      signal: ask.signal,
    });
    asked.on("connect", (response, stream, head) => {
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) {
        const schemes = schemesIn(response.headers["proxy-authenticate"]);
        const sentLogin = authorization !== undefined;
        reject(proxyRefusal(status, { proxyName, target, sentLogin, schemes }));
        return;
      }
      // A relay that speaks first may have done so in the same packet.
      if (head.length > 0) stream.unshift(head);
      resolve(stream as Socket);
    });
    asked.on("error", (error) => {
      const code = codeOf(error);
      if (ask.signal.aborted) reject(away(`${proxyName} does not answer CONNECT in time`));
      else if (code.startsWith("HPE_")) {
        reject(refused(`what answers as ${proxyName} is no HTTP proxy: check nats.proxy.url`, code));
      } else reject(away(`${proxyName} breaks off instead of answering CONNECT`, code));
    });
    asked.end();
  });
}

/** Pure: what a proxy's answer to CONNECT means, and which setting it is about. */
export function proxyRefusal(
  status: number,
  of: { proxyName: string; target: string; sentLogin: boolean; schemes: readonly string[] },
): ServiceError {
  const { proxyName, target, sentLogin, schemes } = of;
  if (status === 407) {
    if (schemes.length > 0 && !schemes.includes("basic")) {
      return refused(
        `${proxyName} wants a login by ${schemes.join(" or ")} (407): this zone speaks Basic alone`,
      );
    }
    return refused(
      sentLogin
        ? `${proxyName} does not take the login in nats.proxy.credentials (407)`
        : `${proxyName} wants a login (407): set nats.proxy.credentials`,
    );
  }
  if (status === 403)
    return refused(`${proxyName} does not let this zone reach ${target} (403): allow it there`);
  if (status === 429 || status >= 500) return away(`${proxyName} cannot reach ${target} (${status})`);
  return refused(`${proxyName} does not take CONNECT to ${target} (${status}): check nats.proxy.url`);
}

/** The names of authentication schemes, and nothing else that a proxy may have written there. */
function schemesIn(header: string | readonly string[] | undefined): string[] {
  const challenges = typeof header === "string" ? [header] : (header ?? []);
  return challenges
    .slice(0, 4)
    .flatMap((one) => /^[A-Za-z0-9-]{1,20}(?= |$)/.exec(one)?.[0].toLowerCase() ?? []);
}
