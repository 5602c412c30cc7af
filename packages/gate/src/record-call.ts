import { type AuditFields, digest } from "@sallyport/audit";
import { subjectOf } from "@sallyport/mcp";
import { type Call, type ExchangeDeps, unsent } from "./call.ts";
import type { Verdict } from "./decide.ts";
import type { ReplyOutcome } from "./reply.ts";

/** One record for each decision, and one that says the upstream is about to be used; in one message. */
export async function recordStart(
  deps: ExchangeDeps,
  call: Call,
  verdicts: readonly Verdict[],
): Promise<void> {
  const common = commonFields(deps, call);
  const records: AuditFields[] = verdicts.map((verdict) => ({
    ...common,
    ...decisionFields(verdict, deps.policies.digest),
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

/** The end is on record too. It changes nothing any more, so nobody waits for it; a gap is said in the log. */
export function recordEnd(
  deps: ExchangeDeps,
  call: Call,
  outcome: ReplyOutcome & { durationMs: number },
): void {
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

/** What a record says of a decision. */
export function decisionFields({ action, target, argumentsDigest, decision }: Verdict, policyDigest: string) {
  return {
    kind: "decision" as const,
    action,
    target,
    argumentsDigest,
    allow: decision.allow,
    rule: decision.ruleId,
    reason: decision.allow ? undefined : decision.reason,
    policyDigest,
  };
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
