import type { Socket } from "node:net";
import { buildConnector } from "undici";
import { EgressError } from "./egress-error.ts";
import { type Resolver, resolveAllowed } from "./resolve.ts";
import type { UpstreamTarget } from "./route.ts";

export interface DialOptions {
  readonly resolver: Resolver;
  /** Resolving, connecting and the TLS handshake together. */
  readonly connectTimeoutMs: number;
  readonly tls?: { readonly ca?: string } | undefined;
}

/**
 * How a pool opens a socket: resolve, judge, connect to the judged address. TLS still asks for the host's name, and
 * checks the certificate against it. What undici wants to connect to is not looked at: a pool has one target.
 */
export function dialer(target: UpstreamTarget, options: DialOptions): buildConnector.connector {
  const { url } = target;
  const secure = url.protocol === "https:";
  const connect = buildConnector({
    allowH2: false,
    autoSelectFamily: false, // one address, the judged one
    timeout: options.connectTimeoutMs,
    ...(options.tls?.ca === undefined ? {} : { ca: options.tls.ca }),
  });
  return (_asked, callback) => {
    const outcome = firstOutcome(callback);
    const timer = setTimeout(
      () => outcome.failed(new EgressError("timeout", `no connection to ${url.host} in time`)),
      options.connectTimeoutMs,
    );
    resolveAllowed(target, options.resolver)
      .then(({ address }) => {
        if (outcome.known()) return;
        const to = { hostname: address, host: url.host, protocol: url.protocol, port: url.port };
        const servername = secure && target.literal === undefined ? { servername: url.hostname } : {};
        connect({ ...to, ...servername }, (error, socket) => {
          clearTimeout(timer);
          if (error === null) outcome.connected(socket);
          else outcome.failed(asDialError(error, url.host));
        });
      })
      .catch((error: unknown) => {
        clearTimeout(timer);
        outcome.failed(asDialError(error, url.host));
      });
  };
}

/** Reports once. A socket that comes after the time was up has no owner: it is closed. */
function firstOutcome(report: buildConnector.Callback) {
  let known = false;
  return {
    known: () => known,
    connected(socket: Socket) {
      if (known) socket.destroy();
      else report(null, socket);
      known = true;
    },
    failed(error: EgressError) {
      if (!known) report(error, null);
      known = true;
    },
  };
}

function asDialError(error: unknown, host: string): EgressError {
  if (error instanceof EgressError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "UND_ERR_CONNECT_TIMEOUT")
    return new EgressError("timeout", `${host} did not answer`, { cause: error });
  const kind =
    /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/.test(code)
      ? "tls"
      : "connect";
  return new EgressError(kind, `${host}: ${code === "" ? "no connection" : code}`, { cause: error });
}
