import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "@sallyport/runtime";
import { ApiFailure } from "./api-failure.ts";
import { authenticateWorker, type Worker } from "./authenticate.ts";
import type { Environments } from "./environments.ts";
import { streamEvents } from "./event-stream.ts";
import type { EnvironmentKeys } from "./keys.ts";
import { heldSession, history, postEvents, retrieveSession } from "./session-routes.ts";
import { change, list, poll, retrieve, stats } from "./work-routes.ts";

export interface WorkApiDeps {
  environments: Environments;
  keys: EnvironmentKeys;
  /** `host` or `host:port`, lower case, that this edge answers for. */
  hosts: ReadonlySet<string>;
  log: Pick<Log, "error">;
}

export interface WorkApiCall {
  request: IncomingMessage;
  response: ServerResponse;
  /** Whole and bounded. */
  body: Buffer;
}

/**
 * Anthropic's environment work API and session events, as far as a worker uses them (`/v1/environments/{id}/work`,
 * `/v1/sessions/{id}`). Every refusal is answered here, in its shape; nothing is thrown.
 */
export async function handleWorkApi(deps: WorkApiDeps, call: WorkApiCall): Promise<void> {
  const { request, response } = call;
  const requestId = `req_${randomUUID().replaceAll("-", "")}`;
  response.setHeader("request-id", requestId);
  try {
    checkAddress(request, deps.hosts);
    const right = () =>
      authenticateWorker(
        { keys: deps.keys, claimOf: (item) => deps.environments.claimOf(item) },
        request.headers.authorization,
      );
    const answer = await route(deps, call, right);
    if (answer !== undefined) send(response, 200, answer);
  } catch (error) {
    if (!(error instanceof ApiFailure)) deps.log.error({ err: error }, "a call of the work API failed");
    const failure = error instanceof ApiFailure ? error : new ApiFailure(500, "something went wrong here");
    if (response.headersSent) response.destroy();
    else send(response, failure.status, failure.body(requestId));
  }
}

/** Undefined when the answer is a stream. */
async function route(
  { environments }: WorkApiDeps,
  { request, response, body }: WorkApiCall,
  right: () => Worker,
): Promise<object | null | undefined> {
  const url = new URL(request.url ?? "/", "http://edge.invalid");
  const worker = right();
  const { searchParams: query } = url;
  const [, work, item = "", verb = ""] =
    /^\/v1\/environments\/([A-Za-z0-9_-]{1,64})\/work(?:\/([A-Za-z0-9_-]{1,64}))?(?:\/([a-z]{1,16}))?$/.exec(
      url.pathname,
    ) ?? [];
  if (work !== undefined) {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const workerId = String(request.headers["anthropic-worker-id"] ?? "");
    const ask = { environments, environment: work, worker, query, workerId, signal: gone.signal };
    switch (`${request.method} ${verb === "" && !item.startsWith("work_") ? item : `{id} ${verb}`}`) {
      case "GET ":
        return list({ ...ask, body: undefined });
      case "GET poll":
        return await poll({ ...ask, body: undefined });
      case "GET stats":
        return stats({ ...ask, body: undefined });
      case "GET {id} ":
        return retrieve({ ...ask, body: undefined }, item);
      case "POST {id} ack":
      case "POST {id} heartbeat":
      case "POST {id} stop":
        return change({ ...ask, body: json(body) }, item, verb as "ack" | "heartbeat" | "stop");
      default:
        throw nothingHere();
    }
  }
  const [, id, rest = ""] =
    /^\/v1\/sessions\/([A-Za-z0-9_-]{1,64})(\/events(?:\/stream)?)?$/.exec(url.pathname) ?? [];
  if (id === undefined) throw nothingHere();
  const session = heldSession(environments, id, worker);
  switch (`${request.method} ${rest}`) {
    case "GET ":
      return retrieveSession(session);
    case "GET /events":
      return history(session, query);
    case "POST /events":
      return postEvents(session, environments.isHeld(session.item ?? ""), json(body));
    case "GET /events/stream":
      streamEvents(session, response, () => stillHeld(() => heldSession(environments, id, right())));
      return undefined;
    default:
      throw nothingHere();
  }
}

function stillHeld(look: () => unknown): boolean {
  try {
    look();
    return true;
  } catch {
    return false;
  }
}

/** Workers are no browsers: a page that got hold of a key may not use it from there. */
function checkAddress(request: IncomingMessage, hosts: ReadonlySet<string>): void {
  const host = request.headers.host?.toLowerCase();
  if (host === undefined || !hosts.has(host)) throw new ApiFailure(421, "use this edge's public URL");
  if (request.headers.origin !== undefined) throw new ApiFailure(403, "no web page may call this");
}

function json(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString("utf8")) as unknown;
  } catch {
    throw new ApiFailure(400, "the body is not JSON");
  }
}

function nothingHere(): ApiFailure {
  return new ApiFailure(404, "there is nothing here");
}

function send(response: ServerResponse, status: number, body: object | null): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}
