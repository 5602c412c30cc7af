/**
 * JSON.parse, but an object that has a name twice is an error (RFC 7519 section 4 allows this). Otherwise two
 * readers of one signed text could each take another of the two values.
 * @throws SyntaxError
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseDuplicateNames(text);
  return value;
}

/** The text is known to be JSON, so a string is a name exactly when a colon follows. */
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g;

function refuseDuplicateNames(text: string): void {
  const open: Set<string>[] = [];
  for (const [token, string, colon] of text.matchAll(TOKENS)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (string !== undefined && colon !== undefined) {
      const name = String(JSON.parse(string)); // "a" and "\u0061" are the same name
      const names = open.at(-1);
      if (names?.has(name)) throw new SyntaxError("duplicate name in a JSON object");
      names?.add(name);
    }
  }
}
