import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { SecureContext } from "node:tls";
import { type Dispatcher, errors, Pool } from "undici";
import { Answer } from "./answer.ts";
import { authorityText } from "./authority.ts";
import { type Denial, DenialError } from "./denial.ts";
import { dial } from "./dial.ts";
import type { Ending } from "./ending.ts";
import type { Target } from "./request-target.ts";
import type { EgressDeps } from "./session.ts";

export interface Outgoing {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Flat, with the host as it was judged, and without what is for one hop alone. */
  readonly headers: string[];
  /** A stream is taken as it comes. */
  readonly body?: Readable | string | undefined;
  readonly upgrade?: "websocket";
}

/** How long a connection waits for the next request. */
const KEPT_MS = 15_000;

const sandboxEnded: Denial = { code: "unavailable", reason: "the sandbox has ended" };

/**
 * One sandbox's connections to servers, kept for the next request to the same host and port: each was judged when it was
 * made. One request on a connection at a time, so that an answer nobody asked for meets nobody.
 */
export class Upstreams {
  readonly #deps: EgressDeps;
  readonly #trust: SecureContext;
  readonly #pools = new Map<string, Pool>();
  #sockets = 0;
  #destroyed = false;

  constructor(deps: EgressDeps, trust: SecureContext) {
    this.#deps = deps;
    this.#trust = trust;
  }

  /**
   * Sends a request, and waits for the head of its answer, whose body must be taken in the same turn of the loop.
   *
   * @throws DenialError; what ended it, where it was ended
   */
  ask(target: Target, { method, body, ...rest }: Outgoing, ending: Ending): Promise<Answer> {
    if (this.#destroyed) return Promise.reject(new DenialError(sandboxEnded));
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let answer: Answer | undefined;
    let controller: Dispatcher.DispatchController | undefined;
    ending.stops((reason) => {
      reject(reason);
      controller?.abort(reason);
    });
    this.#poolFor(target).dispatch(
      { ...rest, method: method as Dispatcher.HttpMethod, body: body ?? null },
      {
        onRequestStart(started) {
          controller = started;
          if (ending.reason !== undefined) started.abort(ending.reason);
        },
        onRequestUpgrade(flow, status, _headers, stream) {
          resolve(new Answer({ status, rawHeaders: rawHeadersOf(flow), socket: stream as Socket }, flow));
        },
        onResponseStart(flow, status) {
          if (status < 200) return; // another one follows
          answer = new Answer({ status, rawHeaders: rawHeadersOf(flow) }, flow);
          resolve(answer);
        },
        onResponseData: (_flow, chunk) => answer?.data(chunk),
        onResponseEnd: () => answer?.end(),
        onResponseError(_flow, error) {
          reject(asFailure(error, target));
          answer?.fail(error);
        },
      },
    );
    return promise;
  }

  /** Ends what is open, and opens nothing any more. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #poolFor({ scheme, authority }: Target): Pool {
    const origin = `${scheme}://${authorityText(authority)}`;
    const known = this.#pools.get(origin);
    if (known !== undefined) return known;
    const { connections, idleMs, headerBytes } = this.#deps.limits;
    const pool = new Pool(origin, {
      connect: (_asked, callback) => {
        if (this.#sockets >= connections && !this.#endIdle()) return callback(tooMany(connections), null);
        this.#sockets += 1;
        dial(authority, this.#deps, scheme === "https" ? this.#trust : undefined).then(
          (socket) => {
            socket.once("close", () => (this.#sockets -= 1));
            callback(null, socket);
          },
          (error: Error) => {
            this.#sockets -= 1;
            callback(error, null);
          },
        );
      },
      allowH2: false,
      pipelining: 1,
      connections,
      maxHeaderSize: headerBytes,
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      keepAliveTimeout: KEPT_MS,
      keepAliveMaxTimeout: KEPT_MS,
    });
    const forget = () => {
      if (pool.stats.connected > 0 || pool.stats.size > 0) return;
      if (this.#pools.get(origin) === pool) this.#pools.delete(origin);
    };
    pool.on("disconnect", forget).on("connectionError", forget);
    this.#pools.set(origin, pool);
    return pool;
  }

  /** Ends the connections that were kept to one server; false where none are. */
  #endIdle(): boolean {
    for (const [origin, pool] of this.#pools) {
      if (pool.stats.connected === 0 || pool.stats.size > 0) continue;
      this.#pools.delete(origin);
      void pool.destroy();
      return true;
    }
    return false;
  }
}

function rawHeadersOf({ rawHeaders }: Dispatcher.DispatchController): string[] {
  // As Node reads them: a byte is a character.
  return ((rawHeaders ?? []) as readonly (Buffer | string)[]).map((text) =>
    typeof text === "string" ? text : text.toString("latin1"),
  );
}

function tooMany(most: number): DenialError {
  const reason = `a sandbox has at most ${most} connections to servers; try again when some are done`;
  return new DenialError({ code: "unavailable", reason });
}

function asFailure(error: Error, { authority }: Target): Error {
  if (error instanceof DenialError) return error;
  const place = authorityText(authority);
  const late = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
  const denial: Denial = late
    ? { code: "timeout", reason: `${place} did not answer in time` }
    : { code: "unavailable", reason: `${place} broke the connection` };
  return new DenialError(denial, { cause: error });
}
