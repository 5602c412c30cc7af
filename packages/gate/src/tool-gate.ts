import { type AuditFields, digest } from "@sallyport/audit";
import { printable } from "@sallyport/contracts";
import type { PolicySet } from "@sallyport/policy";
import type { Scrubber } from "@sallyport/scrub";
import { judge, type Principal } from "./decide.ts";
import type { AuditLog } from "./open-audit.ts";
import { decisionFields } from "./record-call.ts";

/** The action of policies that a tool call in a sandbox is. Its resource is `Tool::"pool/tool"`. */
const action = "sandbox/exec";

/** A tool call that came by another road than a sealed exchange: from a work queue, for a session. */
export interface ToolCallAsk extends Principal {
  tool: string;
  arguments: Readonly<Record<string, unknown>>;
  /** Whose call it is; on record as a digest. */
  session: string;
  /** The call's own name there. */
  exchange: string;
  traceId?: string | undefined;
}

export interface ToolCallEnd {
  outcome: "ok" | "tool_error" | "failed" | "cancelled";
  bytesOut: number;
  reason?: string | undefined;
}

/** `reason` is for the agent: a rule's name and reason, or why nothing can be decided now. */
export type GatedToolCall =
  | { allowed: false; reason: string }
  | {
      allowed: true;
      /** Knows what may not be in the result. */
      scrubber: Scrubber;
      /** Once, when the tool has ended. */
      ended(end: ToolCallEnd): void;
    };

export interface ToolGateDeps {
  tenant: string;
  policies: PolicySet;
  audit: AuditLog;
  /** Every secret that is in use now. */
  scrubber(): Scrubber;
  log: { warn(fields: object, message: string): void };
}

export type ToolGate = (ask: ToolCallAsk) => Promise<GatedToolCall>;

/**
 * The gate for tool calls that no exchange brings: the same decision and the same records as for one, in the same order.
 * Default deny; nothing is done before the log has the decision and the start, and without the log nothing is done at all.
 */
export function toolGate(deps: ToolGateDeps): ToolGate {
  const { tenant, policies, audit, log } = deps;
  return async (ask) => {
    const { agent, user, server, tool } = ask;
    const verdict = judge(
      policies.forServer(server),
      { agent, user, server },
      { action, target: tool, arguments: ask.arguments },
    );
    const { decision } = verdict;
    const common = { tenant, traceId: ask.traceId, agent, user, server, session: digest(ask.session) };
    const step = {
      ...common,
      kind: "upstream" as const,
      exchange: ask.exchange,
      method: action,
      target: tool,
    };
    const records: AuditFields[] = [{ ...common, ...decisionFields(verdict, policies.digest) }];
    if (decision.allow) records.push({ ...step, event: "start" });
    try {
      await Promise.all(records.map((fields) => audit.append(fields)));
    } catch (error) {
      log.warn({ err: error, tool }, "a tool call is not on record, and was not made");
      return { allowed: false, reason: "Not carried out: the audit log cannot take this call's record" };
    }
    if (!decision.allow) return { allowed: false, reason: denialText(decision) };
    const startedAt = performance.now();
    return {
      allowed: true,
      scrubber: deps.scrubber(),
      ended: ({ outcome, bytesOut, reason }) => {
        const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
        audit
          .appendLater({ ...step, event: "end", outcome, bytesOut, durationMs, reason })
          .catch((error: unknown) => log.warn({ err: error }, "the end of a tool call is not on record"));
      },
    };
  };
}

function denialText({ ruleId, reason }: { ruleId: string | undefined; reason: string }): string {
  const why = printable(reason, 512);
  return ruleId === undefined
    ? `Denied by policy: ${why}`
    : `Denied by policy rule "${printable(ruleId, 128)}": ${why}`;
}
