import { log } from "../shape/contract.ts";

/** Audit records, newline-delimited JSON, up to 16 in a message. Acknowledged before a credential is used. */
export const auditLog = log({
  subject: "audit.v1.{zone}.{instance}",
  stream: "AUDIT",
  maxBytes: 256 * 1024,
  appendedBy: ["connector", "runner", "broker"],
  readBy: ["collector", "operator"],
});
