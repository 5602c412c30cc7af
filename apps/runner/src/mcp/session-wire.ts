import {
  type CallToolResult,
  isInitializeRequest,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { ServiceError } from "@sallyport/contracts";
import { SandboxGone } from "../sandboxes/sandbox-gone.ts";
import { failure, inputProblem } from "../tools/define-tool.ts";
import type { Bench } from "./bench.ts";
import { type CallDeps, callSandbox, saidOf } from "./call-sandbox.ts";
import { authInfoOf } from "./caller.ts";
import { follow } from "./calls-in-progress.ts";
import { refusal } from "./http-refusal.ts";
import { IdsInUse, sameId } from "./ids-in-use.ts";
import { mcpServer, type WireCall } from "./mcp-server.ts";
import type { Caller, Sandboxes } from "./sandboxes.ts";
import { wired } from "./stateless-wire.ts";
import { listedTools } from "./tool-list.ts";
import { watchedResponse } from "./watched-response.ts";

export interface SessionDeps extends CallDeps {
  readonly sandboxes: Sandboxes;
  readonly version: string;
  readonly maxSessions: number;
}

interface Session {
  readonly owner: Caller;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly ids: IdsInUse;
}

/** A request, and whether anybody still waits for its answer. */
interface Heard {
  readonly request: Request;
  readonly left: AbortSignal;
}

/** What this request alone brings to its calls. */
interface OfRequest {
  /** Where it calls tools. */
  readonly bench: Promise<Bench> | undefined;
  readonly left: AbortSignal;
}

/**
 * MCP 2025-11-25 and before: one sandbox for a session, whose id is the sandbox's handle. A session whose sandbox is
 * gone is answered 404, so that the client begins a new one and knows it (Streamable HTTP, session management). An
 * answer cannot be fetched again later, so a closed stream ends its calls: nothing runs on for nobody.
 */
export class SessionWire {
  readonly #deps: SessionDeps;
  readonly #sessions = new Map<string, Session>();
  #opening = 0;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  async fetch({ request, left }: Heard, caller: Caller, body: unknown): Promise<Response> {
    const handle = request.headers.get("mcp-session-id");
    if (handle === null) {
      if (request.method === "POST" && isInitializeRequest(body))
        return await this.#begin(request, caller, body);
      return refusal(400, -32_000, "the header Mcp-Session-Id is missing");
    }
    const session = this.#sessions.get(handle);
    if (session === undefined || !isOf(session, caller)) return notFound();
    const taken = session.ids.take(body);
    if ("inUse" in taken) return sameId(taken.inUse);
    try {
      const bench = callsTool(body) ? this.#deps.sandboxes.use(handle, caller) : undefined;
      if (await isGone(bench)) {
        this.ended(handle);
        return notFound();
      }
      const ofRequest: OfRequest = { bench, left };
      const authInfo = authInfoOf(caller, { ofRequest });
      const response = await session.transport.handleRequest(request, { parsedBody: body, authInfo });
      return watchedResponse(response, taken.over);
    } catch (error) {
      taken.over();
      throw error;
    }
  }

  /** The session's calls end, and it is not found from now on. */
  ended(handle: string): void {
    const session = this.#sessions.get(handle);
    this.#sessions.delete(handle);
    void session?.transport.close();
  }

  async close(): Promise<void> {
    for (const handle of [...this.#sessions.keys()]) this.ended(handle);
  }

  async #begin(request: Request, caller: Caller, body: unknown): Promise<Response> {
    if (this.#sessions.size + this.#opening >= this.#deps.maxSessions)
      return refusal(503, -32_000, "there are too many sessions here; try again later");
    this.#opening += 1;
    try {
      const handle = await this.#deps.sandboxes.open(caller);
      return await this.#opened(handle, caller, { request, body });
    } catch (error) {
      this.#deps.log.warn({ err: error, pool: caller.pool }, "no session could be begun");
      const denied = error instanceof ServiceError && error.code === "denied";
      return refusal(denied ? 403 : 503, -32_000, saidOf(error));
    } finally {
      this.#opening -= 1;
    }
  }

  async #opened(
    handle: string,
    caller: Caller,
    { request, body }: { request: Request; body: unknown },
  ): Promise<Response> {
    const { sandboxes, version } = this.#deps;
    const end = () => sandboxes.end(handle, caller).catch(() => {});
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => handle,
      onsessionclosed: end,
    });
    const server = mcpServer(version, listedTools, (call) => this.#call(handle, call));
    await server.connect(transport);
    // The SDK's own handler, put in front by `connect`, ends the calls that run.
    const { onclose } = transport;
    transport.onclose = () => {
      if (this.#sessions.get(handle)?.transport === transport) this.#sessions.delete(handle);
      onclose?.();
    };
    this.#sessions.set(handle, { owner: caller, transport, ids: new IdsInUse() });
    const response = await transport.handleRequest(request, {
      parsedBody: body,
      authInfo: authInfoOf(caller),
    });
    if (transport.sessionId !== undefined) return response;
    // Refused, for its headers perhaps: nobody has this session.
    await transport.close();
    await end();
    return response;
  }

  async #call(handle: string, call: WireCall): Promise<CallToolResult> {
    const problem = inputProblem(call.tool, call.input);
    if (problem !== undefined) return wired(failure(problem));
    const { bench = Promise.reject(new SandboxGone()), left } = ofRequestOf(call);
    const either = new AbortController();
    const unfollow = [call.signal, left].map((signal) => follow(either, signal));
    const ofCall = { ...call, signal: either.signal, handle, bench: () => bench };
    const outcome = await callSandbox(ofCall, this.#deps).finally(() =>
      unfollow.forEach((stop) => void stop()),
    );
    if (outcome.outcome === "done") return wired(outcome.result);
    return wired(failure("The sandbox ended during this call, and its files, shell and processes are lost."));
  }
}

function ofRequestOf({ context }: WireCall): OfRequest {
  return context.http?.authInfo?.extra?.ofRequest as OfRequest;
}

function isOf({ owner }: Session, { principal, pool }: Caller): boolean {
  return owner.principal === principal && owner.pool === pool;
}

function callsTool(body: unknown): boolean {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  return messages.some((message) => (message as { method?: unknown } | null)?.method === "tools/call");
}

/** Any other failure is for the call to tell. */
async function isGone(bench: Promise<Bench> | undefined): Promise<boolean> {
  try {
    await bench;
    return false;
  } catch (error) {
    return error instanceof SandboxGone;
  }
}

/** Word for word what the official transport says of a closed session: an ended, a strange and no session are alike. */
function notFound(): Response {
  return refusal(404, -32_001, "Session not found");
}
