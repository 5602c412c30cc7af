import type { GrantFacts } from "@sallyport/grant";
import { expect, test } from "vitest";
import { decideLease, type LeaseSituation } from "./decide-lease.ts";
import { LeaseRule } from "./lease-rules.ts";

const now = new Date("2026-05-01T12:00:00Z");
const grant: GrantFacts = {
  id: "g1",
  edge: "edge-1",
  agent: "billing-bot",
  tenant: "acme",
  server: "orders",
  scopes: [],
  tokenHash: "h".repeat(43),
  tokenIssuer: "https://issuer.example",
  connector: "c1",
  session: "seal-1",
  issuedAt: now,
  expiresAt: new Date(+now + 300_000),
};
const ask = { connector: "c1", credential: "orders-db" };
const rule = (more: object = {}): LeaseRule =>
  LeaseRule.parse({
    ...{ id: "r1", credential: "orders-db", servers: ["orders"], agents: ["billing-*"], maxTtlSeconds: 600 },
    ...more,
  });
const situation = (more: Partial<LeaseSituation> = {}): LeaseSituation => ({
  now,
  rules: [rule()],
  enrolledServers: ["orders"],
  revoked: undefined,
  live: { ofSession: 0, ofConnector: 0 },
  limits: { leasesPerSession: 2, leasesPerConnector: 5 },
  ...more,
});
const reasonOf = (more: Partial<LeaseSituation>, about: Partial<GrantFacts> = {}) => {
  const decision = decideLease({ ...grant, ...about }, ask, situation(more));
  return decision.allow ? "allowed" : decision.reason;
};

test("a rule that names credential, server and agent allows, for as long as it says", () => {
  expect(decideLease(grant, ask, situation())).toEqual({ allow: true, ruleId: "r1", ttlSeconds: 600 });
});

test("a rule that ends soon allows until its end", () => {
  const rules = [rule({ notAfter: "2026-05-01T12:01:00Z" })];
  expect(decideLease(grant, ask, situation({ rules }))).toMatchObject({ ttlSeconds: 60 });
});

test("what a revocation names is denied", () => {
  expect(reasonOf({ revoked: "agent" })).toBe("revoked");
});

test("a server that the connector is not enrolled for is denied", () => {
  expect(reasonOf({ enrolledServers: ["crm"] })).toBe("server-not-enrolled");
});

test("no rule for this server and credential is a denial that names both", () => {
  const none = situation({
    rules: [rule({ servers: ["crm"] }), rule({ credential: "other" })],
    enrolledServers: ["orders"],
  });
  expect(decideLease(grant, ask, none)).toEqual({
    allow: false,
    reason: "no-rule",
    message: "no lease rule lets server orders use credential orders-db",
  });
  expect(reasonOf({ rules: [] })).toBe("no-rule");
});

test("an expired rule is denied, from its very second", () => {
  expect(reasonOf({ rules: [rule({ notAfter: "2026-05-01T12:00:00Z" })] })).toBe("rule-expired");
});

test("an agent that the rule does not list is denied", () => {
  expect(reasonOf({}, { agent: "sales-bot" })).toBe("agent-not-listed");
  expect(reasonOf({ rules: [rule({ agents: "*" })] }, { agent: "sales-bot" })).toBe("allowed");
});

test("a connector that the rule does not list is denied", () => {
  expect(reasonOf({ rules: [rule({ connectors: ["c2"] })] })).toBe("connector-not-listed");
  expect(reasonOf({ rules: [rule({ connectors: ["c2", "c1"] })] })).toBe("allowed");
});

test("of several rules one that allows is enough", () => {
  const rules = [rule({ agents: ["sales-*"] }), rule({ id: "r2", maxTtlSeconds: 60 })];
  expect(decideLease(grant, ask, situation({ rules }))).toMatchObject({ ruleId: "r2", ttlSeconds: 60 });
});

test("a session or a connector with as many leases as allowed gets no more", () => {
  expect(reasonOf({ live: { ofSession: 2, ofConnector: 2 } })).toBe("too-many-leases");
  expect(reasonOf({ live: { ofSession: 0, ofConnector: 5 } })).toBe("too-many-leases");
  expect(reasonOf({ live: { ofSession: 1, ofConnector: 4 } })).toBe("allowed");
});
