import { digest } from "@sallyport/audit";
import { type Message, type Subject, subjectOf } from "@sallyport/mcp";
import type { Decision, ServerPolicies } from "@sallyport/policy";
import type { LiveGrant } from "./grants.ts";

/** Who asks, and of which server. */
export interface Principal {
  agent: string;
  user?: string | undefined;
  server: string;
}

/** What the policy decides about one message, for the record and the answer. */
export interface Verdict {
  action: string;
  target: string;
  argumentsDigest: string | undefined;
  decision: Decision;
}

/**
 * Asks the policy about every message of a call, the handshake and the lists included. A client's response to a
 * server's own request names nothing and is no action: it passes to the session it belongs to.
 */
export function gate(
  { policies, callAction = "tools/call" }: { policies: ServerPolicies; callAction?: string | undefined },
  messages: readonly Message[],
  grant: LiveGrant,
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const message of messages) {
    const subject = subjectOf(message);
    if (subject === undefined) continue;
    const action = subject.action === "tools/call" ? callAction : subject.action;
    verdicts.push(judge(policies, principalOf(grant), { ...subject, action }));
  }
  return verdicts;
}

/** Asks the policy about one thing that somebody wants to do, by whichever road it came. */
export function judge(policies: ServerPolicies, principal: Principal, subject: Subject): Verdict {
  const { action, target, arguments: args } = subject;
  const decision = policies.decide({ ...principal, action, target, arguments: args });
  const argumentsDigest = args === undefined ? undefined : digest(JSON.stringify(args));
  return { action, target, argumentsDigest, decision };
}

/** Whether this principal could call a tool with some arguments: what `tools/list` shows. */
export function visibleTools(
  { policies, callAction = "tools/call" }: { policies: ServerPolicies; callAction?: string | undefined },
  grant: LiveGrant,
): (tool: string) => boolean {
  return (tool) => policies.couldCall({ ...principalOf(grant), action: callAction, target: tool });
}

function principalOf(grant: LiveGrant) {
  const { agent, user, server } = grant.facts;
  return { agent, user, server };
}
