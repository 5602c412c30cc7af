import type { GrantFacts } from "@sallyport/grant";
import { fitsPattern, type LeaseRule } from "./lease-rules.ts";

/** What is asked, and by whom: the connector is the one that NATS let use this subject. */
export interface LeaseAsk {
  connector: string;
  credential: string;
}

export interface LeaseSituation {
  now: Date;
  rules: readonly LeaseRule[];
  /** The servers that the connector was enrolled for. */
  enrolledServers: readonly string[];
  /** What a revocation says about this grant, if one does. */
  revoked: string | undefined;
  live: { ofSession: number; ofConnector: number };
  limits: { leasesPerSession: number; leasesPerConnector: number };
}

export type DenyReason =
  | "revoked"
  | "server-not-enrolled"
  | "no-rule"
  | "rule-expired"
  | "agent-not-listed"
  | "connector-not-listed"
  | "too-many-leases";

export type LeaseDecision =
  | { allow: true; ruleId: string; ttlSeconds: number }
  | { allow: false; reason: DenyReason; message: string };

/**
 * May this grant, which was found to be genuine, live and for this connector, have that credential? Pure: time is an
 * argument, nothing is fetched. Falling through means deny.
 */
export function decideLease(grant: GrantFacts, ask: LeaseAsk, situation: LeaseSituation): LeaseDecision {
  if (situation.revoked !== undefined) return deny("revoked", `this ${situation.revoked} is revoked`);
  if (!situation.enrolledServers.includes(grant.server)) {
    return deny(
      "server-not-enrolled",
      `connector ${ask.connector} is not enrolled for server ${grant.server}`,
    );
  }
  const { credential } = ask;
  const rules = situation.rules.filter(
    (rule) => rule.credential === credential && rule.servers.includes(grant.server),
  );
  const verdicts = rules.map((rule) => applyRule(rule, grant, { ask, now: situation.now }));
  const allowed = verdicts.find((verdict) => verdict.allow);
  const denied = deny("no-rule", `no lease rule lets server ${grant.server} use credential ${credential}`);
  if (allowed === undefined) return verdicts[0] ?? denied;
  return faultOfCount(situation) ?? allowed;
}

function applyRule(
  rule: LeaseRule,
  grant: GrantFacts,
  { ask, now }: { ask: LeaseAsk; now: Date },
): LeaseDecision {
  const seconds = rule.notAfter === undefined ? Number.POSITIVE_INFINITY : (+rule.notAfter - +now) / 1000;
  if (seconds < 1) return deny("rule-expired", `lease rule ${rule.id} has expired`);
  if (rule.agents !== "*" && !rule.agents.some((pattern) => fitsPattern(pattern, grant.agent))) {
    return deny("agent-not-listed", `lease rule ${rule.id} does not list this agent`);
  }
  if (rule.connectors !== undefined && !rule.connectors.includes(ask.connector)) {
    return deny("connector-not-listed", `lease rule ${rule.id} does not list connector ${ask.connector}`);
  }
  return { allow: true, ruleId: rule.id, ttlSeconds: Math.floor(Math.min(seconds, rule.maxTtlSeconds)) };
}

/** Counted last: a flood of asks that are denied anyway says nothing about how much is in use. */
function faultOfCount({ live, limits }: LeaseSituation): LeaseDecision | undefined {
  if (live.ofSession >= limits.leasesPerSession) {
    return deny(
      "too-many-leases",
      `this session has ${live.ofSession} live leases (limits.leasesPerSession)`,
    );
  }
  if (live.ofConnector >= limits.leasesPerConnector) {
    return deny(
      "too-many-leases",
      `this connector has ${live.ofConnector} live leases (limits.leasesPerConnector)`,
    );
  }
  return undefined;
}

function deny(reason: DenyReason, message: string): LeaseDecision {
  return { allow: false, reason, message };
}
