import { isUtf8 } from "node:buffer";
import { claimedVersion, type Era, type RoutingHeaders } from "./era.ts";
import type { Message, Refusal } from "./message.ts";

/** HeaderMismatch of the 2026-07-28 schema (SEP-2243); the status must be 400. */
const HEADER_MISMATCH = -32020;

/** Whose value `Mcp-Name` mirrors. The `tasks/*` rows are SEP-2663's. */
const nameSource = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/**
 * A header that says `read` above a body that says `delete` lets a router and a server disagree about what was asked.
 * So a routing header that is there must agree with the body, on both wires. That it must be there is asked only of
 * requests that name 2026-07-28: what other revisions ask for is the upstream's to say.
 *
 * Left to the upstream: a missing or incomplete `_meta` (-32602), an unsupported revision (-32022), an unknown method
 * (404, -32601), and `Mcp-Param-*`, which only the tool's own schema can judge.
 */
export function checkHeaders(headers: RoutingHeaders, message: Message, era: Era): Refusal | undefined {
  if (message.kind === "response") return undefined;
  const mismatch = (text: string): Refusal => ({
    status: 400,
    code: HEADER_MISMATCH,
    message: text,
    ...(message.kind === "request" ? { id: message.id } : {}),
  });
  const claimed = claimedVersion(message);
  if (
    typeof claimed === "string" &&
    headers.protocolVersion !== undefined &&
    headers.protocolVersion !== claimed
  )
    return mismatch("MCP-Protocol-Version does not equal the protocolVersion in the body's _meta");
  if (headers.method !== undefined && headers.method !== message.method)
    return mismatch("Mcp-Method does not equal the body's method");
  const source = nameSource.get(message.method);
  const name = source === undefined ? undefined : message.params[source];
  if (source !== undefined && headers.name !== undefined) {
    const decoded = decodeHeaderValue(headers.name);
    if (decoded === undefined) return mismatch("Mcp-Name is not valid Base64 of UTF-8 between its markers");
    if (typeof name === "string" && decoded !== name)
      return mismatch(`Mcp-Name does not equal the body's params.${source}`);
  }
  if (era !== "2026-07-28" || claimed !== "2026-07-28" || message.kind !== "request") return undefined;
  if (headers.protocolVersion === undefined) return mismatch("MCP-Protocol-Version is missing");
  if (headers.method === undefined) return mismatch("Mcp-Method is missing");
  if (typeof name === "string" && headers.name === undefined) return mismatch("Mcp-Name is missing");
  return undefined;
}

const PREFIX = "=?base64?";
const SUFFIX = "?=";
const CANONICAL = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** SEP-2243 "Value Encoding": `=?base64?…?=` wraps UTF-8 that a header cannot carry; undefined when it is malformed. */
export function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith(PREFIX) || !value.endsWith(SUFFIX) || value.length < PREFIX.length + SUFFIX.length)
    return value;
  const base64 = value.slice(PREFIX.length, -SUFFIX.length);
  if (!CANONICAL.test(base64)) return undefined;
  const bytes = Buffer.from(base64, "base64");
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}
