import { printable } from "@sallyport/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AuditError } from "./audit-error.ts";
import { matches } from "./filter.ts";
import { printRecord } from "./print-record.ts";
import { parseAuditBatch } from "./reader.ts";
import { decision, lease, session, upstream } from "./record.fixture.ts";
import { AuditRecord } from "./record.ts";
import { digest, recorder } from "./recorder.ts";
import { auditWriter } from "./writer.ts";

const bytes = (...lines: unknown[]) =>
  new TextEncoder().encode(
    lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
  );

test("a written record of each kind is read back as it was", () => {
  const records = [decision(), lease(), upstream(), session()];
  expect(parseAuditBatch(bytes(...records))).toEqual(records);
});

test("a kind of a later version, a broken record and a line that is no JSON are kept, not dropped", () => {
  const later = JSON.stringify({ ...lease(), kind: "approval" });
  const broken = JSON.stringify({ ...lease(), event: "lent" });
  expect(parseAuditBatch(bytes(later, broken, "{oops", lease()))).toMatchObject([
    { kind: "opaque", line: later },
    { kind: "opaque", line: broken },
    { kind: "opaque", line: "{oops" },
    { kind: "lease" },
  ]);
});

test("a message with more bytes or records than one may hold is refused", () => {
  expect(() => parseAuditBatch(new Uint8Array(256 * 1024 + 1))).toThrow(AuditError);
  expect(() => parseAuditBatch(bytes(...Array.from({ length: 65 }, () => "{}")))).toThrow("65 records");
});

test("whatever text an attacker chooses, the record is valid, fits, and prints as one harmless line", async () => {
  const written: Uint8Array[] = [];
  const writer = auditWriter({ publish: async (batch) => void written.push(batch) });
  const text = fc.string({ unit: "binary", maxLength: 400 });
  await fc.assert(
    fc.asyncProperty(text, text, text, async (target, reason, agent) => {
      const record = decision({ target, reason, agent });
      expect(AuditRecord.safeParse(record).success).toBe(true);
      await writer.append(record);
      const line = printRecord(record);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
      expect(line.isWellFormed()).toBe(true);
    }),
    { numRuns: 200 },
  );
  expect(written.length).toBeGreaterThan(0);
});

test("the worst text in every field still fits a record", async () => {
  const record = recorder({ zone: "connector", instance: "c1" });
  const worst = "\u20ac".repeat(10_000);
  const long = record({
    kind: "upstream",
    event: "end",
    tenant: worst,
    agent: worst,
    user: worst,
    server: worst,
    session: worst,
    grant: worst,
    traceId: worst,
    exchange: worst,
    method: worst,
    target: worst,
    credential: worst,
    reason: worst,
  });
  const writer = auditWriter({ publish: async () => {} });
  await expect(writer.append(long)).resolves.toBeUndefined();
});

test("escape sequences, bidirectional overrides and line breaks are shown, not obeyed", () => {
  expect(printable("a\x1b[2Jb", 99)).toBe("a\\u{1b}[2Jb");
  expect(printable("safe\u202egnp.exe", 99)).toBe("safe\\u{202e}gnp.exe");
  expect(printable("a\nb\u2028c", 99)).toBe("a\\u{a}b\\u{2028}c");
  expect(printable("x".repeat(50), 10)).toBe(`${"x".repeat(9)}…`);
  expect(printable("größe 日本 🙂", 99)).toBe("größe 日本 🙂");
});

test("a record from a zone that was taken over cannot command the operator's terminal", () => {
  const forged = { ...decision(), target: "\x1b]0;owned\x07" };
  const [read] = parseAuditBatch(bytes(forged));
  expect(read && printRecord(read)).not.toContain("\x1b");
  expect(printRecord({ kind: "opaque", line: "\x1b[31m" })).not.toContain("\x1b");
});

test("a record prints on one line: when, what, how it went, who, where", () => {
  expect(printRecord(decision({ allow: false, reason: "no rule" }))).toBe(
    `2026-01-02T03:04:05.000Z  decision  deny       agent-1 → crm/lookup  tools/call  rule crm-read  no rule  trace ${"a".repeat(32)}  (connector c1)`,
  );
  expect(printRecord(session())).toContain("session   opened     agent-1 for ann → crm");
  expect(printRecord(upstream())).toContain(
    "tool_error  agent-1 → crm/lookup  tools/call  status 200  12.3 ms",
  );
});

test("a filter holds only what fits all of it", () => {
  const record = decision();
  const at = new Date(record.at);
  const fits = [
    {},
    { agent: "agent-1", server: "crm", tool: "lookup", kind: "decision", outcome: "allow" },
    { since: at, until: new Date(at.getTime() + 1), traceId: "a".repeat(32) },
  ] as const;
  for (const filter of fits) expect(matches(record, filter)).toBe(true);
  const misses = [
    { agent: "agent-2" },
    { server: "hr" },
    { tool: "delete" },
    { kind: "lease" },
    { outcome: "deny" },
    { since: new Date(at.getTime() + 1) },
    { until: at },
    { traceId: "b".repeat(32) },
  ] as const;
  for (const filter of misses) expect(matches(record, filter)).toBe(false);
  expect(matches(lease(), { tool: "lookup" })).toBe(false);
  expect(matches(upstream(), { outcome: "tool_error" })).toBe(true);
  expect(matches({ kind: "opaque", line: "" }, {})).toBe(true);
  expect(matches({ kind: "opaque", line: "" }, { agent: "agent-1" })).toBe(false);
});

test("ids are unique and sorted by time", () => {
  const ids = Array.from({ length: 100 }, () => decision().id);
  expect(new Set(ids).size).toBe(100);
  const times = ids.map((id) => id.slice(0, 13));
  expect(times.toSorted()).toEqual(times);
});

test("a digest is SHA-256 in hex", () => {
  expect(digest("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});
