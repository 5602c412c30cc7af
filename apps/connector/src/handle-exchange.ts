import { type AuditFields, digest } from "@sallyport/audit";
import type { Incoming } from "@sallyport/bus";
import { asServiceError, ExchangeHead, ServiceError } from "@sallyport/contracts";
import {
  type Answer,
  denial,
  type FailureSource,
  invalid,
  type Message,
  type RequestId,
  readMessage,
  routingHeaders,
  subjectOf,
  unavailable,
} from "@sallyport/mcp";
import type { PolicySet } from "@sallyport/policy";
import { type CallSpans, startCallSpans } from "./call-spans.ts";
import { type Leases, statelessSession, type UsedLease } from "./credentials/leases.ts";
import { gate, type Verdict, visibleTools } from "./gate/gate.ts";
import type { LinkGrants, LiveGrant } from "./grants.ts";
import { answer, Reply, type ReplyOutcome } from "./reply.ts";
import type { Server } from "./servers.ts";
import type { Session, SessionNames } from "./session-names.ts";
import type { UpstreamCall } from "./upstream/upstream.ts";

export interface ExchangeDeps {
  tenant: string;
  servers: ReadonlyMap<string, Server>;
  policies: PolicySet;
  sessions: SessionNames;
  leases: Leases;
  audit: { append(fields: AuditFields): Promise<void>; appendLater(fields: AuditFields): Promise<void> };
  maxBodyBytes: number;
  log: { warn(fields: object, message: string): void };
}

/** What is known of a call once it has passed the first steps. */
interface Call {
  exchange: Incoming;
  head: ExchangeHead;
  grants: LinkGrants;
  grant: LiveGrant;
  server: Server;
  messages: readonly Message[];
  session: Session;
  spans: CallSpans;
}

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
    spans = startCallSpans(head, messages);
    // 3. In whose session? Its name is bound to the principal that made it.
    const session = findSession(deps, { head, grant, messages });
    const call: Call = { exchange, head, grants, grant, server, messages, session, spans };
    // 4. May it? Default deny.
    const verdicts = spans.step("policy", () => decide(deps, call));
    // 5. Written down before any credential is used; what uses none goes on meanwhile.
    const recorded = spans.during("audit", () => record(deps, call, verdicts));
    const refusal = refusalOf(verdicts, messages);
    if (refusal) {
      await recorded;
      throw new Answered(refusal);
    }
    // 6. The credential: this session's lease, from the broker if there is none.
    const [lease] = await bothOrNeither(leaseFor(deps, call), recorded);
    // 7. To the upstream, and 8. back through the scrubber.
    relay(deps, call, lease);
  } catch (thrown) {
    finishUnsent(exchange, thrown);
    spans?.end(
      thrown instanceof Answered ? { status: thrown.answer.status } : { error: asServiceError(thrown) },
    );
    const cause = thrown instanceof Answered ? thrown.cause : thrown;
    if (cause !== undefined) deps.log.warn({ err: cause }, "a call ended before it was sent");
  }
}

/** A call that ends with an answer of ours. */
class Answered extends Error {
  readonly answer: Answer;

  constructor(of: Answer, cause?: unknown) {
    super("answered here", { cause });
    this.answer = of;
  }
}

function finishUnsent(exchange: Incoming, thrown: unknown): void {
  if (thrown instanceof Answered) answer(exchange, thrown.answer);
  else exchange.fail(asServiceError(thrown));
}

function readHead(exchange: Incoming): ExchangeHead {
  const head = ExchangeHead.safeParse(exchange.head);
  if (!head.success) throw new ServiceError("invalid", "the exchange's head is not understood");
  return head.data;
}

function findServer(deps: ExchangeDeps, name: string): Server {
  const server = deps.servers.get(name);
  if (server === undefined) throw new ServiceError("not_found", `this connector has no server ${name}`);
  return server;
}

function readBody(deps: ExchangeDeps, head: ExchangeHead, body: Uint8Array): readonly Message[] {
  if (head.method !== "POST") return [];
  const limits = { maxBytes: deps.maxBodyBytes };
  const reading = readMessage(body, { headers: routingHeaders(head.headers), limits });
  if (!reading.ok) throw new Answered(invalid(reading.refusal, "connector"));
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
  return gate(deps.policies.forServer(call.head.server), call.messages, call.grant);
}

/** One record for each decision, and one that says the upstream is about to be used; in one message. */
async function record(deps: ExchangeDeps, call: Call, verdicts: readonly Verdict[]): Promise<void> {
  const common = commonFields(deps, call);
  const records: AuditFields[] = verdicts.map(({ action, target, argumentsDigest, decision }) => ({
    ...common,
    kind: "decision",
    action,
    target,
    argumentsDigest,
    allow: decision.allow,
    rule: decision.ruleId,
    reason: decision.allow ? undefined : decision.reason,
    policyDigest: deps.policies.digest,
  }));
  if (verdicts.every(({ decision }) => decision.allow)) {
    records.push({ ...common, ...upstreamFields(call), kind: "upstream", event: "start" });
  }
  try {
    await Promise.all(records.map((fields) => deps.audit.append(fields)));
  } catch (cause) {
    throw unsent(call, { source: "audit", reason: "the audit log cannot take this call's record", cause });
  }
}

function refusalOf(verdicts: readonly Verdict[], messages: readonly Message[]): Answer | undefined {
  for (const { decision } of verdicts) {
    if (decision.allow) continue;
    return denial({ id: requestId(messages), ruleId: decision.ruleId, reason: decision.reason });
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
        denial({ id: requestId(call.messages), ruleId: undefined, reason: known.message }),
        cause,
      );
    }
    throw unsent(call, { source: "broker", reason: known.message, cause });
  }
}

/** A lease that nobody will use is given back when the record fails, and the other way round nothing is left waiting. */
async function bothOrNeither(
  leasing: Promise<UsedLease | undefined>,
  recorded: Promise<void>,
): Promise<[UsedLease | undefined]> {
  const [lease, written] = await Promise.allSettled([leasing, recorded]);
  if (lease.status === "rejected") throw lease.reason;
  if (written.status === "rejected") {
    lease.value?.done();
    throw written.reason;
  }
  return [lease.value];
}

function relay(deps: ExchangeDeps, call: Call, held: UsedLease | undefined): void {
  const { exchange, head, grant, server, messages, session, spans } = call;
  const owner = { principal: grant.principal, server: head.server };
  const span = spans.upstream();
  const startedAt = performance.now();
  let named = session.upstream !== undefined;
  let upstream: UpstreamCall | undefined;

  const reply = new Reply({
    exchange,
    scrubber: held?.lease.scrubber ?? server.upstream.scrubber?.(session.upstream, grant.principal),
    visible:
      messages.length === 0 || isToolsList(messages)
        ? visibleTools(deps.policies.forServer(head.server), grant)
        : undefined,
    sessionName: (name) => {
      named = true;
      return deps.sessions.seal({ upstream: name, lease: session.lease }, owner);
    },
    resume: () => upstream?.resume(),
    failure: (error, reached) => failureOf(error, { messages, reached }),
    finished: (outcome) => {
      release?.();
      held?.done();
      span.end(outcome);
      spans.end(outcome);
      writeEnd(deps, call, { ...outcome, durationMs: performance.now() - startedAt });
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
    reply.fail(new ServiceError("unauthenticated", "the grant has ended"), false);
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

/** The end is on record too. It changes nothing any more, so nobody waits for it; a gap is said in the log. */
function writeEnd(deps: ExchangeDeps, call: Call, outcome: ReplyOutcome & { durationMs: number }): void {
  deps.audit
    .appendLater({
      ...commonFields(deps, call),
      ...upstreamFields(call),
      kind: "upstream",
      event: "end",
      outcome: outcomeOf(outcome),
      status: outcome.status,
      durationMs: Math.round(outcome.durationMs * 10) / 10,
      bytesIn: call.exchange.body.length,
      bytesOut: outcome.bytes,
      reason: outcome.error?.message,
    })
    .catch((error: unknown) => deps.log.warn({ err: error }, "the end of a call is not on record"));
}

function outcomeOf(outcome: ReplyOutcome): "ok" | "http_error" | "failed" | "cancelled" {
  if (outcome.error) return "failed";
  if (outcome.cancelled) return "cancelled";
  return outcome.status !== undefined && outcome.status >= 400 ? "http_error" : "ok";
}

function commonFields(deps: ExchangeDeps, { grant, head, session, spans }: Call) {
  return {
    tenant: deps.tenant,
    traceId: spans.traceId,
    agent: grant.facts.agent,
    user: grant.facts.user,
    server: head.server,
    session: digest(session.lease),
    grant: grant.facts.id,
  };
}

function upstreamFields({ exchange, head, messages, server }: Call) {
  const subject = messages[0] && subjectOf(messages[0]);
  return {
    exchange: String(exchange.id),
    method: subject?.action ?? head.method,
    target: subject?.target,
    credential: server.credential?.name,
  };
}

/** Nothing has left for the upstream: the same call may be tried again. */
function unsent(call: Call, failure: { source: FailureSource; reason: string; cause: unknown }): Answered {
  const known = asServiceError(failure.cause);
  const { source, reason } = failure;
  const code = known.code === "exhausted" ? "exhausted" : "unavailable";
  return new Answered(
    unavailable({ id: requestId(call.messages), code, source, retryable: true, reason }),
    failure.cause,
  );
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

function requestId(messages: readonly Message[]): RequestId | undefined {
  for (const message of messages) if (message.kind === "request") return message.id;
  return undefined;
}

function isInitialize(messages: readonly Message[]): boolean {
  return messages.some((message) => message.kind === "request" && message.method === "initialize");
}

function isToolsList(messages: readonly Message[]): boolean {
  return messages.some((message) => message.kind === "request" && message.method === "tools/list");
}
