import { placeOf, replaceAt } from "./json-places.ts";

export interface Trace {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/**
 * The request with the trace it belongs to in `params._meta` (SEP-414): a pipe has no headers to carry it. What the agent
 * wrote there is replaced, or an agent's span would stand where the connector's is the parent. Only `_meta` is touched; a
 * message without params stays as it is.
 */
export function withTrace(request: Uint8Array, trace: Trace | undefined): Uint8Array {
  if (trace === undefined) return request;
  const { traceparent, tracestate } = trace;
  const written = put(request, "traceparent", traceparent);
  return tracestate === undefined ? written : put(written, "tracestate", tracestate);
}

function put(request: Uint8Array, key: string, text: string): Uint8Array {
  const value = Buffer.from(JSON.stringify(text));
  const there = placeOf(request, ["params", "_meta", key]);
  if (there === "twice") return request;
  if (there !== undefined) return replaceAt(request, [{ place: there, value }]);
  const member = `${JSON.stringify(key)}:${value}`;
  return (
    insert(request, ["params", "_meta"], member) ??
    insert(request, ["params"], `"_meta":{${member}}`) ??
    request
  );
}

/** The member as the first of the object that the path leads to; undefined where that is no object. */
function insert(request: Uint8Array, path: readonly string[], member: string): Uint8Array | undefined {
  const object = placeOf(request, path);
  if (object === undefined || object === "twice" || request[object.start] !== 0x7b) return undefined;
  const empty = /^\{\s*\}$/.test(
    Buffer.from(request.subarray(object.start, Math.min(object.end, object.start + 64))).toString(),
  );
  const place = { start: object.start + 1, end: object.start + 1 };
  return replaceAt(request, [{ place, value: Buffer.from(empty ? member : `${member},`) }]);
}
