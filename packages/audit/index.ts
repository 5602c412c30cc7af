/**
 * What was decided and done, written down before it is done: typed records of digests, appended in groups and durable
 * before a credential is used. If a record cannot be made durable, the thing it speaks of must not happen.
 */
export { AuditError, type AuditErrorCode } from "./src/audit-error.ts";
export { type AuditFilter, matches, outcomeOf } from "./src/filter.ts";
export { printRecord } from "./src/print-record.ts";
export { type OpaqueRecord, parseAuditBatch } from "./src/reader.ts";
export { type AuditFields, type AuditKind, AuditRecord } from "./src/record.ts";
export { digest, recorder } from "./src/recorder.ts";
export { type AuditWriter, type AuditWriterOptions, auditWriter } from "./src/writer.ts";
