import { hash, randomUUIDv7 } from "node:crypto";
import { printable } from "@sallyport/contracts";
import { type AuditFields, type AuditRecord, maxText } from "./record.ts";

/**
 * Completes records in the name of one zone instance. Whatever text comes in is made printable and bounded here, so no
 * caller has to remember that a tool's name is the attacker's. The types are the check; readers check with the schema.
 */
export function recorder(who: { zone: string; instance: string; now?: () => number }) {
  const { zone, instance, now = Date.now } = who;
  return (fields: AuditFields): AuditRecord => {
    const record: Record<string, unknown> = {
      v: 1,
      id: randomUUIDv7(),
      at: new Date(now()).toISOString(),
      zone,
      instance,
    };
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined) record[key] = typeof value === "string" ? printable(value, maxText) : value;
    }
    return record as AuditRecord;
  };
}

/**
 * SHA-256 in hex, as records carry it. A digest of few possible contents can be guessed: it proves contents, it does
 * not hide them.
 */
export function digest(contents: Uint8Array | string): string {
  return hash("sha256", contents, "hex");
}
