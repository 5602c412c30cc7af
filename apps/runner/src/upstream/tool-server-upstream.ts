import { asServiceError, ServiceError } from "@sallyport/contracts";
import type { Upstream, UpstreamCall, UpstreamReply, UpstreamRequest } from "@sallyport/gate";
import type { Scrubber } from "@sallyport/scrub";
import type { Caller } from "../mcp/sandboxes.ts";
import type { ToolExchange } from "../mcp/tool-server.ts";
import type { GatedCaller } from "../sandboxes/call-context.ts";

export interface ToolServerDeps {
  pool: string;
  handle(exchange: ToolExchange, caller: Caller): Promise<Response>;
  /** Knows what was placed for this principal's sandboxes. */
  scrubber?(principal: string): Scrubber | undefined;
  /** The call that this work item was claimed for does not come. */
  unused?(work: string): void;
  problem(): string | undefined;
}

/** An MCP server of this very process, as the gate sees every private server: requests in, one reply each. */
export function toolServerUpstream(deps: ToolServerDeps): Upstream {
  return {
    send: (request, reply) => send(deps, request, reply),
    needsLease: () => false,
    scrubber: (_session, principal) => (principal === undefined ? undefined : deps.scrubber?.(principal)),
    ...(deps.unused === undefined ? {} : { unused: deps.unused }),
    problem: deps.problem,
    close: async () => {},
  };
}

function send(deps: ToolServerDeps, request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
  const stop = new AbortController();
  let resume: (() => void) | undefined;
  const pass = async () => {
    const { who, credential, ask, trace } = request;
    const caller: GatedCaller = {
      principal: request.principal,
      pool: deps.pool,
      context: { who, credential, ask, traceparent: trace?.traceparent },
      ...(request.work === undefined ? {} : { item: request.work }),
    };
    const exchange = { request: asRequest(request), body: request.body, left: stop.signal };
    const response = await deps.handle(exchange, caller);
    const reader = response.body?.getReader();
    const cancel = () => void reader?.cancel().catch(() => {});
    if (stop.signal.aborted) return cancel();
    stop.signal.addEventListener("abort", cancel, { once: true });
    // At once: the agent's client makes ready for the answer while the tool still runs.
    reply.head(response.status, [...response.headers]);
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
      if (done || stop.signal.aborted) break;
      if (value === undefined || reply.data(value)) continue;
      await new Promise<void>((go) => {
        resume = go;
      });
    }
    if (!stop.signal.aborted) reply.end();
  };
  pass().catch((error: unknown) => {
    if (stop.signal.aborted) return;
    reply.fail(error instanceof ServiceError ? error : asServiceError(error), true);
  });
  return {
    cancel: () => {
      stop.abort();
      resume?.();
    },
    resume: () => resume?.(),
  };
}

/** The host is a name that nothing resolves: the request goes nowhere. Its body goes beside it, as the bytes that it is. */
function asRequest(request: UpstreamRequest): Request {
  const headers = new Headers(request.headers.map(([name, value]) => [name, value]));
  headers.delete("mcp-session-id");
  if (request.session !== undefined) headers.set("mcp-session-id", request.session);
  return new Request("http://sandbox.invalid/mcp", { method: request.method, headers });
}
