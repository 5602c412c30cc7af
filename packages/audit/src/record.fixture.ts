import { recorder } from "./recorder.ts";

/** Records for tests, one of each kind. */
const record = recorder({ zone: "connector", instance: "c1", now: () => Date.UTC(2026, 0, 2, 3, 4, 5) });
const who = { tenant: "acme", agent: "agent-1", server: "crm", traceId: "a".repeat(32), grant: "g1" };

export const decision = (more: { target?: string; allow?: boolean; reason?: string; agent?: string } = {}) =>
  record({
    ...who,
    kind: "decision",
    action: "tools/call",
    target: "lookup",
    allow: true,
    policyDigest: "0".repeat(64),
    rule: "crm-read",
    ...more,
  });

export const lease = () =>
  record({ ...who, kind: "lease", event: "issued", credential: "crm-token", leaseId: "l1", ttlSeconds: 60 });

export const upstream = () =>
  record({
    ...who,
    kind: "upstream",
    event: "end",
    exchange: "x1",
    method: "tools/call",
    target: "lookup",
    outcome: "tool_error",
    status: 200,
    durationMs: 12.34,
    bytesIn: 10,
    bytesOut: 20,
    responseDigest: "f".repeat(64),
  });

export const session = () => record({ ...who, user: "ann", kind: "session", event: "opened" });
