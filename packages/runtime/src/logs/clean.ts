/** Keys whose values never reach a log, however deep: a last net under the rule that nobody logs them. */
const sensitiveKey =
  /^(authorization|proxy-?authorization|(set-)?cookie|password|passwd|passphrase|secret|secret-?(key|id|value)|client-?secret|api-?key|x-api-key|x-vault-token|(access|refresh|id|session|bearer|client)?-?token|private-?key|seed|nkey|credentials?value|dsn|pem)$/i;

const limits = { depth: 6, entries: 100, text: 8192 };

/** A value fit for a log line: sensitive keys redacted, bytes counted instead of shown, size and depth bounded. */
export function clean(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return cut(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth >= limits.depth) return "[deeper]";
  if (value instanceof Error) return cleanError(value, depth);
  if ("toJSON" in value && typeof value.toJSON === "function") return clean(value.toJSON(), depth + 1);
  if (Array.isArray(value)) return value.slice(0, limits.entries).map((entry) => clean(entry, depth + 1));
  if (value instanceof Map || value instanceof Set) return clean([...value], depth + 1);
  return cleanEntries(value, depth);
}

/** The fields of an object, cleaned one by one. */
export function cleanEntries(value: object, depth = 0): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value).slice(0, limits.entries)) {
    // `defineProperty` semantics: a key named __proto__ stays a key.
    Object.defineProperty(result, key, {
      value:
        sensitiveKey.test(key.replaceAll("_", "-")) && entry !== undefined
          ? "[redacted]"
          : clean(entry, depth + 1),
      enumerable: true,
    });
  }
  return result;
}

/** An error for the log: its class, message, code, stack and causes, and the `detail` that no caller may see. */
function cleanError(error: Error, depth: number): Record<string, unknown> {
  const { code, detail } = error as { code?: unknown; detail?: unknown };
  return {
    type: error.name,
    message: cut(error.message),
    ...(code === undefined ? {} : { code: clean(code, depth + 1) }),
    ...(detail === undefined ? {} : { detail: clean(detail, depth + 1) }),
    ...(error.stack === undefined ? {} : { stack: cut(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, depth + 1) }),
    ...(error instanceof AggregateError ? { errors: clean(error.errors, depth + 1) } : {}),
  };
}

function cut(text: string): string {
  return text.length > limits.text ? `${text.slice(0, limits.text)}…` : text;
}

/** Bearer and Basic values and JWTs inside a finished line: they come in with the messages of foreign libraries. */
export function withoutTokens(line: string): string {
  return line
    .replace(/\b(bearer|basic)(\s+)[A-Za-z0-9._~+/-]{8,}=*/gi, "$1$2[redacted]")
    .replace(/\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*/g, "[redacted]");
}
