import { digest } from "@sallyport/audit";
import { type Message, subjectOf } from "@sallyport/mcp";
import type { Ask, Decision, ServerPolicies } from "@sallyport/policy";
import type { LiveGrant } from "../grants.ts";

/** What the policy decides about one message, for the record and the answer. */
export interface Verdict {
  action: string;
  target: string;
  argumentsDigest: string | undefined;
  decision: Decision;
  /** No zone knows the method, so the answer is that it does not exist. */
  unknownMethod: boolean;
}

/** Methods that name no tool, resource or prompt: they pass to whoever may call the server at all. */
const open = new Set([
  "initialize",
  "ping",
  "server/discover",
  "tools/list",
  "resources/list",
  "resources/templates/list",
  "prompts/list",
  "logging/setLevel",
  "subscriptions/listen",
  "tasks/get",
  "tasks/update",
  "tasks/cancel",
  "tasks/list",
  "tasks/result",
]);

/** What other methods do to a thing, in the three words that policies are written in. */
const sameAs: Record<string, Ask["action"]> = {
  "tools/call": "tools/call",
  "resources/read": "resources/read",
  "resources/subscribe": "resources/read",
  "resources/unsubscribe": "resources/read",
  "prompts/get": "prompts/get",
};

/**
 * Asks the policy about every message of a call; what needs no decision gets none. Falling through means deny: a method
 * that nobody here knows cannot be known to be harmless.
 */
export function gate(policies: ServerPolicies, messages: readonly Message[], grant: LiveGrant): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const message of messages) {
    const subject = subjectOf(message);
    if (subject === undefined || message.kind === "notification" || open.has(subject.action)) continue;
    const { target } = subject;
    const argumentsDigest = digestOf(subject.arguments);
    const action = subject.action === "completion/complete" ? completionOf(message) : sameAs[subject.action];
    if (action === undefined) {
      const decision = { allow: false, ruleId: undefined, reason: "this method is not known here" } as const;
      verdicts.push({ action: subject.action, target, argumentsDigest, decision, unknownMethod: true });
      continue;
    }
    const ask: Ask = { ...principalOf(grant), action, target, ...argumentsOf(subject) };
    verdicts.push({ action, target, argumentsDigest, decision: policies.decide(ask), unknownMethod: false });
  }
  return verdicts;
}

/** Whether this principal could call a tool with some arguments: what `tools/list` shows. */
export function visibleTools(policies: ServerPolicies, grant: LiveGrant): (tool: string) => boolean {
  return (tool) => policies.couldCall({ ...principalOf(grant), action: "tools/call", target: tool });
}

function principalOf(grant: LiveGrant) {
  const { agent, user, server } = grant.facts;
  return user === undefined ? { agent, server } : { agent, user, server };
}

function argumentsOf(subject: { arguments?: Readonly<Record<string, unknown>> }) {
  return subject.arguments === undefined ? {} : { arguments: subject.arguments };
}

/** Completion reveals what a prompt or resource holds: it needs what reading it needs. */
function completionOf(message: Message): Ask["action"] | undefined {
  if (message.kind !== "request") return undefined;
  const { ref } = message.params as { ref?: { type?: unknown } };
  if (ref?.type === "ref/prompt") return "prompts/get";
  return ref?.type === "ref/resource" ? "resources/read" : undefined;
}

function digestOf(args: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return args === undefined ? undefined : digest(JSON.stringify(args));
}
