import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Asked, brokenBy } from "./checks.ts";
import { type Item, newItem, now, reclaim } from "./items.ts";
import { type Called, calledBy, type Operation } from "./operation.ts";
import { Session, type Wire } from "./session.ts";
import { history, post, retrieve } from "./session-routes.ts";
import { change, poll } from "./work-routes.ts";
import { problem, type Reply, type Turn, type World } from "./world.ts";

/**
 * What goes wrong with the next call of an operation. `lose`: done, and the connection ends before the answer. `drop`:
 * it ends before anything is done. `garbage`: 200 and no JSON. A number: that status, and nothing is done.
 */
export type Fault = "lose" | "drop" | "garbage" | "redirect" | number;

export interface Recorded {
  readonly operation: Operation;
  readonly path: string;
  readonly query: string;
  readonly credential: "environment" | "item" | "unknown";
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** On the monotonic clock, in milliseconds. */
  readonly at: number;
}

export interface WorkApiOptions {
  readonly ttlMs?: number;
  /** When an item that was handed out and not acknowledged is handed out again. */
  readonly reclaimMs?: number;
  /** Takes no beat twice: who lost an answer has lost the lease. */
  readonly strictBeats?: boolean;
  /** Items carry no secret: everything is called with the environment key. */
  readonly withoutSecrets?: boolean;
  /** Events in a page of the history, at most. */
  readonly pageSize?: number;
}

/**
 * Anthropic's environment work API and session events, for tests: every header, state, compare-and-swap value and result
 * is checked, and what breaks the contract is refused and kept in `violations`.
 */
export interface WorkApi {
  readonly url: string;
  readonly environment: string;
  readonly key: string;
  readonly requests: readonly Recorded[];
  readonly violations: readonly string[];
  wire: Wire;
  addSession(metadata?: Record<string, string>): { session: Session; item: Item };
  /** A healthcheck, or another item for a session that goes on. */
  addItem(data: Item["data"], metadata?: Record<string, string>): Item;
  fail(operation: Operation, ...faults: Fault[]): void;
  revokeKey(): void;
  /** Asks the worker to stop, as whoever runs the environment may. */
  requestStop(item: Item): void;
  stop(): Promise<void>;
}

const maxBodyBytes = 16 * 1024 * 1024;

export async function startWorkApi(options: WorkApiOptions = {}): Promise<WorkApi> {
  const { ttlMs = 60_000, reclaimMs = 5_000, pageSize = 1_000 } = options;
  const key = `sk-ant-oat01-${randomBytes(24).toString("base64url")}`;
  const world: World = {
    environment: `env_${randomBytes(9).toString("hex")}`,
    items: [],
    sessions: new Map(),
    times: { ttlMs, reclaimMs, graceMs: options.strictBeats ? 0 : ttlMs / 2 },
    withSecrets: options.withoutSecrets !== true,
    pageSize,
    violations: [],
  };
  const requests: Recorded[] = [];
  const faults = new Map<Operation, Fault[]>();
  let keyIsGood = true;

  function rightOf(authorization: string | undefined, good: string | undefined) {
    const token = authorization?.slice("Bearer ".length);
    if (token !== undefined && token === good)
      return { credential: "environment", holder: undefined } as const;
    const holder = token === undefined ? undefined : world.items.find((item) => item.token === token);
    return { credential: holder === undefined ? "unknown" : "item", holder } as const;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://work-api.test");
    const { method = "", headers } = request;
    const body = await textOf(request);
    const asked: Asked = { method, path: url.pathname, query: url.searchParams, headers, body };
    const called = calledBy(asked, world.environment);
    if (called === undefined) {
      world.violations.push(`${method} ${url.pathname} is not in the contract`);
      return send(response, problem(404, "no such path"));
    }
    const { credential, holder } = rightOf(headers.authorization, keyIsGood ? key : undefined);
    const { operation } = called;
    const entry = { operation, path: url.pathname, query: url.search, credential, headers, body } as const;
    requests.push({ ...entry, at: performance.now() });
    const broken = brokenBy(asked);
    if (broken.length > 0) {
      world.violations.push(...broken.map((rule) => `${operation}: ${rule}`));
      return send(response, problem(400, broken.join("; ")));
    }
    if (credential === "unknown") return send(response, problem(401, "invalid bearer token"));
    const fault = faults.get(operation)?.shift();
    for (const item of world.items) reclaim(item, world.times, performance.now());
    if (fault !== undefined && failsAtOnce(fault, response)) return;
    const turn: Turn = { world, asked, credential, holder, gone: () => response.destroyed };
    const reply = await answerTo(turn, called, response);
    if (fault === "lose") response.destroy();
    else if (reply !== undefined) send(response, reply, fault === "garbage" ? "<html>" : undefined);
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      world.violations.push(`the test server failed: ${String(error)}`);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const api: WorkApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    environment: world.environment,
    key,
    requests,
    violations: world.violations,
    wire: { cutBytes: 0, times: 1, lineEnd: "\n" },
    addItem(data, metadata = {}) {
      const item = newItem(data, metadata);
      world.items.push(item);
      return item;
    },
    addSession(metadata) {
      const session = new Session(() => api.wire);
      world.sessions.set(session.id, session);
      return { session, item: api.addItem({ type: "session", id: session.id }, metadata) };
    },
    fail(operation, ...more) {
      faults.set(operation, [...(faults.get(operation) ?? []), ...more]);
    },
    revokeKey() {
      keyIsGood = false;
    },
    requestStop(item) {
      item.state = "stopping";
      item.times.asked = now();
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return api;
}

/** Whether that was all: nothing is done for this call. */
function failsAtOnce(fault: Fault, response: ServerResponse): boolean {
  if (typeof fault === "number") send(response, problem(fault, "injected"));
  else if (fault === "drop") response.destroy();
  else if (fault === "redirect") response.writeHead(307, { location: "http://169.254.169.254/" }).end();
  else return false;
  return true;
}

/** Undefined when the answer is a stream, which is open now. */
async function answerTo(turn: Turn, called: Called, response: ServerResponse): Promise<Reply | undefined> {
  if (called.operation === "poll") return await poll(turn);
  if ("item" in called) return change(turn, called.item, called.operation);
  const session = turn.world.sessions.get(called.session);
  if (session === undefined) return problem(404, "no such session");
  if (turn.holder !== undefined && turn.holder.data.id !== session.id) {
    turn.world.violations.push("another session's token");
    return problem(403, "another session's token");
  }
  const { operation } = called;
  if (operation === "session") return retrieve(turn, session);
  if (operation === "history") return history(turn, session);
  if (operation === "result") return post(turn, session);
  session.attach(response);
  return undefined;
}

function send(response: ServerResponse, { status, body }: Reply, text = JSON.stringify(body)): void {
  response.writeHead(status, { "content-type": "application/json", "request-id": "req_test" });
  response.end(text);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new RangeError("a body that is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
