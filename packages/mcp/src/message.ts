import { type Era, eraOf, PROTOCOL_VERSION_KEY, type RoutingHeaders } from "./era.ts";
import { foldsTo } from "./fold.ts";
import { checkHeaders } from "./headers.ts";
import { type JsonLimits, type JsonProblem, parseStrict } from "./strict-json.ts";

export type RequestId = string | number;
export type Params = Readonly<Record<string, unknown>>;

export type Message =
  | { readonly kind: "request"; readonly id: RequestId; readonly method: string; readonly params: Params }
  | { readonly kind: "notification"; readonly method: string; readonly params: Params }
  | { readonly kind: "response"; readonly id: RequestId | undefined; readonly ok: boolean };

/** Why a body was not accepted: an HTTP status and a JSON-RPC error. `message` is public and holds no text of the body. */
export interface Refusal {
  readonly status: 400 | 413;
  readonly code: number;
  readonly message: string;
  readonly id?: RequestId;
}

export type Reading =
  | {
      readonly ok: true;
      /** Every one of them must be decided: a batch has several. */
      readonly messages: readonly [Message, ...Message[]];
      readonly batch: boolean;
      readonly era: Era;
    }
  | { readonly ok: false; readonly refusal: Refusal };

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const MAX_BATCH = 32;
const MAX_NAME = 2048;

/**
 * Reads one POST body and checks it against its routing headers. Used twice, at the edge and again in the private
 * network, which does not trust the edge's reading.
 *
 * Only what a gate decides on is looked at; whether a revision, a method or an argument is supported stays the upstream's
 * to answer. Batches exist in revision 2025-03-26 alone (2025-06-18 removed them), and a POST without a version header is
 * of that revision (2025-06-18 and later, Streamable HTTP, "Protocol Version Header").
 */
export function readMessage(
  bytes: Uint8Array,
  options: { readonly headers: RoutingHeaders; readonly limits: JsonLimits },
): Reading {
  const json = parseStrict(bytes, options.limits);
  if (!json.ok) return { ok: false, refusal: refusalOf(json.problem) };
  if (Array.isArray(json.value)) return readBatch(json.value, options.headers);
  const shaped = readOne(json.value);
  if (!shaped.ok) return shaped;
  const era = eraOf(options.headers, shaped.message);
  const mismatch = checkHeaders(options.headers, shaped.message, era);
  if (mismatch) return { ok: false, refusal: mismatch };
  return { ok: true, messages: [shaped.message], batch: false, era };
}

function readBatch(values: readonly unknown[], headers: RoutingHeaders): Reading {
  const refuse = (message: string): Reading => ({
    ok: false,
    refusal: { status: 400, code: INVALID_REQUEST, message },
  });
  if ((headers.protocolVersion ?? "2025-03-26") !== "2025-03-26")
    return refuse("JSON-RPC batches exist only in MCP revision 2025-03-26: send one message per POST");
  if (values.length > MAX_BATCH) return refuse(`a batch holds at most ${MAX_BATCH} messages`);
  const messages: Message[] = [];
  const ids = new Set<RequestId>();
  for (const value of values) {
    const shaped = readOne(value);
    if (!shaped.ok) return shaped;
    const { message } = shaped;
    if (eraOf(headers, message) !== "sessions")
      return refuse("a batch may not hold a message of revision 2026-07-28 or later");
    if (message.kind !== "response" && message.method === "initialize")
      return refuse("initialize may not be part of a batch");
    if (message.kind === "request") {
      if (ids.has(message.id)) return refuse("two requests of a batch have the same id");
      ids.add(message.id);
    }
    const mismatch = checkHeaders(headers, message, "sessions");
    if (mismatch) return { ok: false, refusal: mismatch };
    messages.push(message);
  }
  const [first, ...rest] = messages;
  if (!first) return refuse("a batch may not be empty");
  return { ok: true, messages: [first, ...rest], batch: true, era: "sessions" };
}

type Shaped =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly refusal: Refusal };

const ENVELOPE_KEYS = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS_KEYS = ["name", "uri", "arguments", "_meta", "taskId", "ref"];
const META_KEYS = [PROTOCOL_VERSION_KEY];

/** The member of params that names what the method acts on. */
const requiredName = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["resources/subscribe", "uri"],
  ["resources/unsubscribe", "uri"],
]);

/** 2026-07-28 has no such methods (SEP-2575): its upstream answers 404 with -32601, whatever the params. */
const sessionsOnly = new Set(["resources/subscribe", "resources/unsubscribe"]);

/** JSON-RPC 2.0 sections 4 and 5 with MCP's narrowing: id is a string or an integer, params is an object. */
function readOne(value: unknown): Shaped {
  if (!isObject(value)) return refuse(INVALID_REQUEST, "a JSON-RPC message is an object");
  const id = isId(value.id) ? value.id : undefined;
  const no = (code: number, message: string): Shaped => refuse(code, message, id);
  const variant = caseVariant(value, ENVELOPE_KEYS);
  if (variant) return no(INVALID_REQUEST, `a key differs from "${variant}" only by letter case`);
  if (value.jsonrpc !== "2.0") return no(INVALID_REQUEST, 'jsonrpc must be "2.0"');
  if ("id" in value && id === undefined && !("error" in value && value.id === null))
    return no(INVALID_REQUEST, "id must be a string of at most 1024 characters or a safe integer");
  const answers = Number("result" in value) + Number("error" in value);
  if (!("method" in value)) {
    if (answers !== 1 || (id === undefined && "result" in value))
      return no(INVALID_REQUEST, "a message is a request, a notification or a response");
    return { ok: true, message: { kind: "response", id, ok: "result" in value } };
  }
  if (answers > 0) return no(INVALID_REQUEST, "a message holds a method or an answer, not both");
  const method = value.method;
  if (typeof method !== "string" || !/^[!-~]{1,256}$/.test(method))
    return no(INVALID_REQUEST, "method must be 1 to 256 visible ASCII characters");
  const params = value.params ?? {};
  if (!isObject(params)) return no(INVALID_REQUEST, "params must be an object");
  const problem = paramsProblem(method, params);
  if (problem) return no(INVALID_PARAMS, problem);
  return {
    ok: true,
    message:
      id === undefined ? { kind: "notification", method, params } : { kind: "request", id, method, params },
  };
}

/** What a policy decides on must be readable: without a tool's name there is nothing to ask the policy about. */
function paramsProblem(method: string, params: Params): string | undefined {
  const variant = caseVariant(params, PARAMS_KEYS);
  if (variant) return `a key of params differs from "${variant}" only by letter case`;
  const meta = params._meta;
  if (isObject(meta) && caseVariant(meta, META_KEYS))
    return "a key of _meta differs from a defined one only by letter case";
  const named = requiredName.get(method);
  if (named === undefined) return undefined;
  const stateless = isObject(meta) && PROTOCOL_VERSION_KEY in meta;
  if (stateless && sessionsOnly.has(method) && !(named in params)) return undefined;
  const name = params[named];
  if (typeof name !== "string" || name === "" || name.length > MAX_NAME)
    return `params.${named} must be a string of 1 to ${MAX_NAME} characters`;
  if (named === "name" && "arguments" in params && !isObject(params.arguments))
    return "params.arguments must be an object";
  return undefined;
}

/**
 * The name that some key equals only when letter case is ignored. Parsers that match keys without regard to case (Go's
 * encoding/json) would read that key as this name, whether or not the exact one is there too (CVE-2026-27896).
 */
function caseVariant(object: Params, names: readonly string[]): string | undefined {
  for (const key of Object.keys(object)) {
    if (names.includes(key)) continue;
    const name = names.find((candidate) => foldsTo(key, candidate));
    if (name) return name;
  }
  return undefined;
}

function refuse(code: number, message: string, id?: RequestId): Shaped {
  return { ok: false, refusal: { status: 400, code, message, ...(id === undefined ? {} : { id }) } };
}

function refusalOf(problem: JsonProblem): Refusal {
  if (problem === "too-large")
    return { status: 413, code: INVALID_REQUEST, message: "the body is too large" };
  return { status: 400, code: PARSE_ERROR, message: problemText[problem] };
}

const problemText: Record<Exclude<JsonProblem, "too-large">, string> = {
  "byte-order-mark": "the body starts with a byte order mark",
  "invalid-utf8": "the body is not valid UTF-8",
  "too-deep": "the body is nested too deeply",
  "too-many-keys": "the body holds too many keys",
  "duplicate-key": "an object of the body holds the same key twice",
  "forbidden-key": 'the key "__proto__" is not accepted',
  "lone-surrogate": "a string of the body holds half of a surrogate pair",
  "number-out-of-range": "a number of the body is out of range",
  syntax: "the body is not valid JSON",
};

function isObject(value: unknown): value is Params {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is RequestId {
  return typeof value === "string" ? value.length <= 1024 : Number.isSafeInteger(value);
}
