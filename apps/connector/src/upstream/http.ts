import { ServiceError } from "@sallyport/contracts";
import {
  asEgressError,
  EgressError,
  type Upstream as EgressUpstream,
  forwardableRequestHeaders,
  isRedirect,
  placeInRequest,
  type RequestPlacement,
} from "@sallyport/egress";
import type { Upstream, UpstreamCall, UpstreamReply, UpstreamRequest } from "@sallyport/gate";
import type { Dispatcher } from "undici";

export interface HttpUpstreamDeps {
  server: string;
  /** Path and query of the route's URL. */
  path: string;
  placement: RequestPlacement | undefined;
  /** The pinned, guarded pool of this route and credential. */
  pool: EgressUpstream;
  headersTimeoutMs: number;
}

/** A private MCP server that speaks Streamable HTTP itself. */
export function httpUpstream(deps: HttpUpstreamDeps): Upstream {
  return {
    send: (request, reply) => dispatch(deps, request, reply),
    needsLease: () => deps.placement !== undefined,
    problem: () => undefined,
    close: () => deps.pool.close(),
  };
}

function dispatch(deps: HttpUpstreamDeps, request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
  let controller: Dispatcher.DispatchController | undefined;
  let cancelled = false;
  let begun = false;
  const call: UpstreamCall = {
    cancel: () => {
      cancelled = true;
      controller?.abort(new Error("the agent has gone"));
    },
    resume: () => controller?.resume(),
  };
  const placed = place(deps, request);
  deps.pool.dispatch(
    {
      path: placed.path,
      method: request.method,
      headers: placed.headers,
      body: request.body.length === 0 ? null : request.body,
      headersTimeoutMs: deps.headersTimeoutMs,
    },
    {
      onRequestStart: (started) => {
        controller = started;
        if (cancelled) started.abort(new Error("the agent has gone"));
      },
      onResponseStart: (started, status, headers) => {
        if (isRedirect(status)) {
          // A redirect would take the credential off the route.
          cancelled = true;
          started.abort(new Error("redirect"));
          reply.fail(
            new ServiceError("unavailable", `${deps.server} answered with a redirect, which is not followed`),
            true,
          );
          return;
        }
        begun = true;
        reply.head(status, pairs(headers));
      },
      onResponseData: (started, chunk) => {
        if (!cancelled && !reply.data(chunk)) started.pause();
      },
      onResponseEnd: () => {
        if (!cancelled) reply.end();
      },
      onResponseError: (_started, error) => {
        if (cancelled) return;
        const reached = begun || !(error instanceof EgressError) || !beforeSending.has(error.code);
        reply.fail(asUpstreamError(error, { server: deps.server, reached, begun }), reached);
      },
    },
  );
  return call;
}

function place(deps: HttpUpstreamDeps, request: UpstreamRequest): { path: string; headers: string[] } {
  const headers = forwardableRequestHeaders(request.headers).flat() as string[];
  if (request.session !== undefined) headers.push("mcp-session-id", request.session);
  if (request.trace) {
    headers.push("traceparent", request.trace.traceparent);
    if (request.trace.tracestate !== undefined) headers.push("tracestate", request.trace.tracestate);
  }
  const bare = { path: deps.path, headers };
  if (deps.placement === undefined) return bare;
  if (request.lease === undefined) throw new ServiceError("unavailable", `${deps.server} needs a credential`);
  return placeInRequest(deps.placement, request.lease.material, bare);
}

/** Failures of the connection itself: no byte of the request has left. */
const beforeSending = new Set(["address-refused", "dns", "connect", "tls"]);

/** Names are public, addresses and the upstream's words are not: those stay in `detail`. */
function asUpstreamError(
  error: unknown,
  { server, reached, begun }: { server: string; reached: boolean; begun: boolean },
): ServiceError {
  const { code, reason } = asEgressError(error);
  const what = () => {
    if (code === "timeout") return "did not answer in time";
    if (begun) return "broke off its reply";
    return reached && code === "connect"
      ? "broke the connection before it answered"
      : `could not be reached (${code})`;
  };
  return new ServiceError(code === "timeout" ? "timeout" : "unavailable", `${server} ${what()}`, {
    detail: reason,
    cause: error,
  });
}

function pairs(headers: Record<string, string | string[] | undefined>): [string, string][] {
  const list: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of value === undefined ? [] : [value].flat()) list.push([name, one]);
  }
  return list;
}
