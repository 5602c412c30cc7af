import { isUtf8 } from "node:buffer";
import type { RequestId } from "@sallyport/mcp";
import { elements, placeOf } from "./json-places.ts";
import { oneLine } from "./one-line.ts";

/** One message of a server's, with the bytes it came in: they go on as they are. */
export type ChildMessage =
  | {
      readonly kind: "response";
      readonly id: RequestId;
      readonly error: number | undefined;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "request"; readonly id: RequestId; readonly method: string; readonly bytes: Uint8Array }
  | {
      readonly kind: "notification";
      readonly method: string;
      readonly progressToken: unknown;
      /** 2026-07-28: the id of the `subscriptions/listen` that this belongs to. */
      readonly subscription: unknown;
      readonly bytes: Uint8Array;
    };

export const SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId";

/** What a line holds: several messages for a batch (2025-03-26), undefined when it is no JSON-RPC at all. */
export function readChildLine(line: Uint8Array): readonly ChildMessage[] | undefined {
  if (!isUtf8(line)) return undefined;
  const bytes = oneLine(line);
  const value = safely(() => JSON.parse(textOf(bytes)) as unknown);
  const parts = Array.isArray(value) ? elements(bytes) : undefined;
  const messages = parts
    ? parts.map((part) => readOne(part, JSON.parse(textOf(part)) as unknown))
    : [readOne(bytes, value)];
  const known = messages.filter((message) => message !== undefined);
  return known.length === messages.length && known.length > 0 ? known : undefined;
}

function readOne(bytes: Uint8Array, value: unknown): ChildMessage | undefined {
  // An id that stands there twice would be one request's for us and another's for the agent.
  if (!isRecord(value) || value.jsonrpc !== "2.0" || placeOf(bytes, ["id"]) === "twice") return undefined;
  const { id, method } = value;
  if (typeof method === "string") {
    if (isId(id)) return { kind: "request", id, method, bytes };
    const params = isRecord(value.params) ? value.params : {};
    const meta = isRecord(params._meta) ? params._meta : {};
    const { progressToken } = params;
    return { kind: "notification", method, progressToken, subscription: meta[SUBSCRIPTION_KEY], bytes };
  }
  if (!isId(id) || "result" in value === "error" in value) return undefined;
  const { error } = value;
  const code = isRecord(error) && typeof error.code === "number" ? error.code : undefined;
  return { kind: "response", id, error: "error" in value ? (code ?? 0) : undefined, bytes };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function isId(value: unknown): value is RequestId {
  return typeof value === "string" || typeof value === "number";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
