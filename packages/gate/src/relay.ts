import { asServiceError, type ServiceError } from "@sallyport/contracts";
import { type Answer, type Message, unavailable } from "@sallyport/mcp";
import { type Call, type ExchangeDeps, isInitialize, requestId } from "./call.ts";
import type { UsedLease } from "./credentials/leases.ts";
import { visibleTools } from "./decide.ts";
import { recordEnd } from "./record-call.ts";
import { Reply } from "./reply.ts";
import type { Session } from "./session-names.ts";
import type { UpstreamCall } from "./upstream.ts";

/** Steps 7 and 8: the request goes to the upstream, its reply through the scrubber and back. */
export function relay(deps: ExchangeDeps, call: Call, held: UsedLease | undefined): void {
  const { exchange, head, grant, server, messages, session, spans } = call;
  const owner = { principal: grant.principal, server: head.server };
  const span = spans.upstream();
  const startedAt = performance.now();
  let named = session.upstream !== undefined;
  // The agent's own name for the session that this call is of: it was opened for this owner, and is as good as a new one.
  const asked = head.headers.find(([key]) => key === "mcp-session-id")?.[1];
  let upstream: UpstreamCall | undefined;

  const reply = new Reply({
    exchange,
    // When the reply begins: what was leased in the course of the call is known by then.
    get scrubber() {
      return held?.lease.scrubber ?? server.upstream.scrubber?.(session.upstream, grant.principal);
    },
    visible:
      messages.length === 0 || isToolsList(messages)
        ? visibleTools(
            { policies: deps.policies.forServer(head.server), callAction: server.callAction },
            grant,
          )
        : undefined,
    sessionName: (name) => {
      named = true;
      if (name === session.upstream && asked !== undefined) return asked;
      return deps.sessions.seal({ upstream: name, lease: session.lease }, owner);
    },
    resume: () => upstream?.resume(),
    abandon: () => upstream?.cancel(),
    failure: (error, reached) => failureOf(error, { messages, reached }),
    finished: (outcome) => {
      release?.();
      held?.done();
      span.end(outcome);
      spans.end(outcome);
      deps.calls.ended(exchange);
      if (outcome.error) deps.log.warn({ err: outcome.error, server: server.name }, "a call failed");
      recordEnd(deps, call, { ...outcome, durationMs: performance.now() - startedAt });
      const over = head.method === "DELETE" || outcome.status === 404 || (isInitialize(messages) && !named);
      if (over && (named || isInitialize(messages))) endSession(deps, session);
    },
  });
  // The grant's end is the stream's end.
  const release = call.grants.attach(head.grant, (error) => {
    upstream?.cancel();
    reply.fail(error);
  });
  exchange.on({
    cancel: () => {
      upstream?.cancel();
      reply.cancelled();
    },
    drain: () => reply.drained(),
  });
  if (exchange.over) {
    reply.cancelled();
    return;
  }
  if (release === undefined) {
    // Revoked while the record was written or the lease fetched: the call must not leave, for nobody could end it.
    reply.fail(call.grants.endOf(head.grant), false);
    return;
  }
  const request = {
    method: head.method,
    headers: head.headers,
    body: exchange.body,
    session: session.upstream,
    leaseSession: session.lease,
    messages,
    principal: grant.principal,
    lease: held?.lease,
    who: { agent: grant.facts.agent, user: grant.facts.user, grant: grant.facts.id },
    credential: async (name: string, of: string) => {
      const live = await call.grants.use(head.grant, head.server);
      return deps.leases.use({
        grant: live,
        credential: name,
        session: of,
        traceparent: span.trace?.traceparent,
      });
    },
    work: head.work,
    ask: (question: Uint8Array) => exchange.ask(question),
    trace: span.trace,
  };
  try {
    upstream = server.upstream.send(request, reply);
  } catch (thrown) {
    // By way of the reply: it gives the lease back and writes the end down.
    reply.fail(asServiceError(thrown), false);
  }
}

function endSession(deps: ExchangeDeps, session: Session): void {
  deps.leases.end(session.lease).catch((error: unknown) => {
    deps.log.warn({ err: error }, "a session's leases could not be given back; the broker reclaims them");
  });
}

function failureOf(error: ServiceError, call: { messages: readonly Message[]; reached: boolean }): Answer {
  const { code } = error;
  const known = code === "timeout" || code === "internal" || code === "exhausted" ? code : "unavailable";
  return unavailable({
    id: requestId(call.messages),
    code: known,
    source: "upstream",
    retryable: !call.reached,
    reason: error.message,
  });
}

function isToolsList(messages: readonly Message[]): boolean {
  return messages.some((message) => message.kind === "request" && message.method === "tools/list");
}
