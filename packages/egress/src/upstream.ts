import { type Dispatcher, errors, Pool } from "undici";
import { dialer } from "./dial.ts";
import { EgressError } from "./egress-error.ts";
import type { Resolver } from "./resolve.ts";
import type { UpstreamTarget } from "./route.ts";

export interface UpstreamLimits {
  /** Sockets at once; requests beyond wait. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** From the request's last byte to the answer's head. A request may ask for another. */
  readonly headersTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** How long a socket may be idle, whatever the server says. */
  readonly keepAliveMs: number;
}

export interface UpstreamOptions {
  /** Server and credential: who shares its sockets. Two partitions never do. */
  readonly partition: string;
  readonly resolver: Resolver;
  readonly limits: UpstreamLimits;
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly tls?: { readonly ca?: string } | undefined;
}

export interface UpstreamRequest {
  readonly method: Dispatcher.HttpMethod;
  /** Path and query. Never a URL: that would be a request to a proxy. */
  readonly path: string;
  /** Flat: name, value, name, value. */
  readonly headers: string[];
  readonly body?: Uint8Array | string | null;
  readonly headersTimeoutMs?: number;
}

/** undici's handler, with all methods that it insists on. `onRequestStart` gives the controller to pause or abort. */
export type UpstreamHandler = Dispatcher.DispatchHandler &
  Required<
    Pick<
      Dispatcher.DispatchHandler,
      "onRequestStart" | "onResponseStart" | "onResponseData" | "onResponseEnd" | "onResponseError"
    >
  >;

export interface Upstream {
  /** Its errors are for `asEgressError`. Redirects are not followed: look with `isRedirect`. */
  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void;
  /** No request runs or waits. */
  readonly idle: boolean;
  /** Lets running requests end. */
  close(): Promise<void>;
  /** Ends running requests and their sockets now: the credential was revoked. */
  destroy(): Promise<void>;
}

/**
 * A pool of sockets to one target, for one partition. HTTP/1.1, one request on a socket at a time, so that an answer
 * that nobody asked for ends the socket instead of meeting the next caller. Bodies have no timeout: they may be events.
 */
export function openUpstream(target: UpstreamTarget, options: UpstreamOptions): Upstream {
  const { limits } = options;
  const { origin } = target.url;
  const pool = new Pool(origin, {
    connect: dialer(target, { ...options, connectTimeoutMs: limits.connectTimeoutMs }),
    allowH2: false,
    pipelining: 1,
    connections: limits.connections,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: 0,
    maxHeaderSize: limits.maxHeaderBytes,
    keepAliveTimeout: limits.keepAliveMs,
    keepAliveMaxTimeout: limits.keepAliveMs,
  });
  return {
    dispatch({ method, path, headers, body, headersTimeoutMs }, handler) {
      if (!path.startsWith("/") || path.includes("#")) {
        throw new EgressError("header", "a request's path begins with / and has no fragment");
      }
      const timeout = headersTimeoutMs === undefined ? {} : { headersTimeout: headersTimeoutMs };
      const sent =
        typeof body === "object" && body !== null
          ? Buffer.from(body.buffer, body.byteOffset, body.byteLength)
          : body;
      pool.dispatch({ origin, method, path, headers, body: sent ?? null, ...timeout }, handler);
    },
    get idle() {
      return pool.stats.size === 0;
    },
    close: () => pool.close(),
    destroy: () => pool.destroy(),
  };
}

/** A status that sends the caller elsewhere. Elsewhere was not reviewed: an upstream's redirect is an error. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

/** What a handler's `onResponseError` got, as one of the closed set. */
export function asEgressError(error: unknown): EgressError {
  if (error instanceof EgressError) return error;
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
    return new EgressError("timeout", "the upstream did not answer in time", { cause: error });
  }
  if (error instanceof errors.HeadersOverflowError) {
    return new EgressError("header", "the upstream's headers are larger than allowed", { cause: error });
  }
  if (error instanceof errors.InvalidArgumentError) {
    return new EgressError("header", "the request holds what HTTP cannot carry", { cause: error });
  }
  return new EgressError("connect", "the connection to the upstream broke", { cause: error });
}
