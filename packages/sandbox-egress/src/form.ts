import type { IncomingMessage } from "node:http";
import { readBounded } from "./read-bounded.ts";
import { headerValue } from "./request-checks.ts";

const MOST_FORM_BYTES = 65_536;

/** A body that is written as a query is, and as nothing else: packed, what stands in it could not be found. */
export function isForm(rawHeaders: readonly string[]): boolean {
  const type = headerValue(rawHeaders, "content-type") ?? "";
  const coding = headerValue(rawHeaders, "content-encoding") ?? "identity";
  return /^application\/x-www-form-urlencoded *(;|$)/i.test(type) && /^identity$/i.test(coding);
}

/** Undefined where it is too long, or not in ASCII as the form's encoding is. */
export async function readForm(request: IncomingMessage): Promise<string | undefined> {
  const bytes = await readBounded(request, MOST_FORM_BYTES);
  const text = bytes?.toString("latin1");
  return text === undefined || /[^\x20-\x7e\r\n]/.test(text) ? undefined : text;
}
