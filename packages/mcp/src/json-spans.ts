export interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * Where the elements of one array stand in a text that is known to be valid JSON without duplicate keys. `path` leads to
 * the array: keys of objects, indices of arrays. Empty when the path leads elsewhere.
 */
export function elementSpans(text: string, path: readonly (string | number)[]): readonly Span[] {
  let at = 0;
  for (const step of path) {
    const child = childrenOf(text, at).find((found) => found.name === step);
    if (!child) return [];
    at = child.start;
  }
  return childrenOf(text, at);
}

function childrenOf(text: string, container: number): (Span & { readonly name: string | number })[] {
  const children: (Span & { name: string | number })[] = [];
  let at = skipSpace(text, container);
  const object = text[at] === "{";
  if (!object && text[at] !== "[") return children;
  at = skipSpace(text, at + 1);
  while (at < text.length && text[at] !== "}" && text[at] !== "]") {
    let name: string | number = children.length;
    if (object) {
      const end = endOfValue(text, at);
      name = JSON.parse(text.slice(at, end)) as string;
      at = skipSpace(text, skipSpace(text, end) + 1); // past the colon
    }
    const end = endOfValue(text, at);
    children.push({ name, start: at, end });
    at = skipSpace(text, end);
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
  return children;
}

function endOfValue(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (depth === 0) return endOfScalar(text, at);
    at++;
  } while (depth > 0 && at < text.length);
  return at;
}

function endOfScalar(text: string, start: number): number {
  let at = start;
  while (at < text.length && !/[\s,\]}]/.test(text.charAt(at))) at++;
  return at;
}

/** Offset of the closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && /\s/.test(text.charAt(at))) at++;
  return at;
}
