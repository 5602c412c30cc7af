import type { Incoming } from "@sallyport/bus";
import { asServiceError, ExchangeHead, ServiceError } from "@sallyport/contracts";
import { type Answer, denial, invalid, type Message, readMessage, routingHeaders } from "@sallyport/mcp";
import { Answered, type Call, type ExchangeDeps, isInitialize, requestId, unsent } from "./call.ts";
import { type CallSpans, startCallSpans } from "./call-spans.ts";
import { statelessSession, type UsedLease } from "./credentials/leases.ts";
import { gate, type Verdict } from "./decide.ts";
import type { LinkGrants, LiveGrant } from "./grants.ts";
import { recordEnd, recordStart } from "./record-call.ts";
import { relay } from "./relay.ts";
import { answer } from "./reply.ts";
import type { Server } from "./server.ts";
import type { Session } from "./session-names.ts";

/** One call at the gate, in order. Every outcome is an answer to the edge; nothing is thrown. */
export async function handleExchange(
  deps: ExchangeDeps,
  exchange: Incoming,
  grants: LinkGrants,
): Promise<void> {
  let spans: CallSpans | undefined;
  try {
    const head = readHead(exchange);
    // 1. Under which grant? It is live and for this server, or there is no call.
    const grant = await grants.use(head.grant, head.server);
    const server = findServer(deps, head.server);
    // 2. What is asked? Read again from the bytes: the edge is not believed about it.
    const messages = readBody(deps, head, exchange.body);
    // Not while this instance drains: another one takes it, or this one when it is back.
    deps.calls.begin(exchange, { method: head.method, messages });
    spans = startCallSpans(head, messages);
    // 3. In whose session? Its name is bound to the principal that made it.
    const session = findSession(deps, { head, grant, messages });
    const call: Call = { exchange, head, grants, grant, server, messages, session, spans };
    // 4. May it? Default deny.
    const verdicts = spans.step("policy", () => decide(deps, call));
    // 5. Written down before any credential is used; what uses none goes on meanwhile.
    const recorded = spans.during("audit", () => recordStart(deps, call, verdicts));
    const refusal = refusalOf(deps, verdicts, messages);
    if (refusal) {
      await recorded;
      throw new Answered(refusal);
    }
    // 6. The credential: this session's lease, from the broker if there is none.
    const lease = await leaseOnRecord(deps, call, recorded);
    // 7. To the upstream, and 8. back through the scrubber.
    relay(deps, call, lease);
  } catch (thrown) {
    finishUnsent(exchange, thrown);
    giveBack(deps, exchange);
    deps.calls.ended(exchange);
    spans?.end(
      thrown instanceof Answered ? { status: thrown.answer.status } : { error: asServiceError(thrown) },
    );
    const cause = thrown instanceof Answered ? thrown.cause : thrown;
    if (cause !== undefined) deps.log.warn({ err: cause }, "a call ended before it was sent");
  }
}

function finishUnsent(exchange: Incoming, thrown: unknown): void {
  if (thrown instanceof Answered) answer(exchange, thrown.answer);
  else exchange.fail(asServiceError(thrown));
}

function giveBack(deps: ExchangeDeps, exchange: Incoming): void {
  const head = ExchangeHead.safeParse(exchange.head);
  if (head.data?.work !== undefined) deps.servers.get(head.data.server)?.upstream.unused?.(head.data.work);
}

function readHead(exchange: Incoming): ExchangeHead {
  const head = ExchangeHead.safeParse(exchange.head);
  if (!head.success) throw new ServiceError("invalid", "the exchange's head is not understood");
  return head.data;
}

function findServer(deps: ExchangeDeps, name: string): Server {
  const server = deps.servers.get(name);
  if (server === undefined) throw new ServiceError("not_found", `this ${deps.zone} has no server ${name}`);
  return server;
}

function readBody(deps: ExchangeDeps, head: ExchangeHead, body: Uint8Array): readonly Message[] {
  if (head.method !== "POST") return [];
  const limits = { maxBytes: deps.maxBodyBytes };
  const reading = readMessage(body, { headers: routingHeaders(head.headers), limits });
  if (!reading.ok) throw new Answered(invalid(reading.refusal, deps.zone));
  return reading.messages;
}

function findSession(
  deps: ExchangeDeps,
  call: { head: ExchangeHead; grant: LiveGrant; messages: readonly Message[] },
): Session {
  const owner = { principal: call.grant.principal, server: call.head.server };
  const name = call.head.headers.find(([key]) => key === "mcp-session-id")?.[1];
  if (name === undefined) {
    // A session's leases are its own from its first request on; on the wire without sessions they are the principal's.
    const lease = isInitialize(call.messages) ? crypto.randomUUID() : statelessSession(owner);
    return { upstream: undefined, lease };
  }
  const session = deps.sessions.open(name, owner);
  if (session === undefined) throw new ServiceError("not_found", "there is no such session; start a new one");
  return session;
}

function decide(deps: ExchangeDeps, call: Call): readonly Verdict[] {
  const policies = deps.policies.forServer(call.head.server);
  return gate({ policies, callAction: call.server.callAction }, call.messages, call.grant);
}

function refusalOf(
  { zone }: ExchangeDeps,
  verdicts: readonly Verdict[],
  messages: readonly Message[],
): Answer | undefined {
  for (const { decision } of verdicts) {
    if (decision.allow) continue;
    const { ruleId, reason } = decision;
    return denial({ id: requestId(messages), source: zone, ruleId, reason });
  }
  return undefined;
}

async function leaseFor(deps: ExchangeDeps, call: Call): Promise<UsedLease | undefined> {
  const { server, grant, session, spans } = call;
  const { credential, upstream } = server;
  if (credential === undefined) return undefined;
  const { messages } = call;
  if (!upstream.needsLease({ session: session.upstream, principal: grant.principal, messages }))
    return undefined;
  const ask = { grant, credential: credential.name, session: session.lease };
  try {
    const cached = deps.leases.cached(ask);
    if (cached) return cached;
    return await spans.during("lease", (traceparent) => deps.leases.use({ ...ask, traceparent }));
  } catch (cause) {
    const known = asServiceError(cause);
    if (known.code === "denied") {
      throw new Answered(
        denial({ id: requestId(call.messages), source: "broker", ruleId: undefined, reason: known.message }),
        cause,
      );
    }
    throw unsent(call, { source: "broker", reason: known.message, cause });
  }
}

/** A lease that nobody will use is given back when the record fails; a start on record that leads nowhere gets its end. */
async function leaseOnRecord(
  deps: ExchangeDeps,
  call: Call,
  recorded: Promise<void>,
): Promise<UsedLease | undefined> {
  const startedAt = performance.now();
  const [lease, written] = await Promise.allSettled([leaseFor(deps, call), recorded]);
  if (written.status === "rejected") {
    if (lease.status === "fulfilled") lease.value?.done();
    throw written.reason;
  }
  if (lease.status === "fulfilled") return lease.value;
  const { reason } = lease;
  const error = asServiceError(reason instanceof Answered ? reason.cause : reason);
  const durationMs = performance.now() - startedAt;
  recordEnd(deps, call, { status: undefined, bytes: 0, redacted: 0, error, cancelled: false, durationMs });
  throw reason;
}
