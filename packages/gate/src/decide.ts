import { digest } from "@sallyport/audit";
import { type Message, subjectOf } from "@sallyport/mcp";
import type { Decision, ServerPolicies } from "@sallyport/policy";
import type { LiveGrant } from "./grants.ts";

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
export function gate(policies: ServerPolicies, messages: readonly Message[], grant: LiveGrant): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const message of messages) {
    const subject = subjectOf(message);
    if (subject === undefined) continue;
    const { action, target, arguments: args } = subject;
    const decision = policies.decide({ ...principalOf(grant), action, target, arguments: args });
    const argumentsDigest = args === undefined ? undefined : digest(JSON.stringify(args));
    verdicts.push({ action, target, argumentsDigest, decision });
  }
  return verdicts;
}

/** Whether this principal could call a tool with some arguments: what `tools/list` shows. */
export function visibleTools(policies: ServerPolicies, grant: LiveGrant): (tool: string) => boolean {
  return (tool) => policies.couldCall({ ...principalOf(grant), action: "tools/call", target: tool });
}

function principalOf(grant: LiveGrant) {
  const { agent, user, server } = grant.facts;
  return { agent, user, server };
}
