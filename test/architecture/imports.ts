import type { Token } from "./tokens.ts";

/** One place where a file names a module. */
export interface Import {
  /** As written; undefined where it is computed, and so cannot be checked. */
  readonly from: string | undefined;
  readonly line: number;
}

/** The token that names a module, after the word at `index`; `computed` where it is no plain string. */
type Named = Token | "computed" | undefined;
type Reading = (tokens: readonly Token[], index: number) => Named;

/** The words after which a module is named, and where. */
const readings: Readonly<Record<string, Reading>> = {
  import: (tokens, index) => {
    const next = tokens[index + 1];
    if (isMember(tokens, index) || isKey(next) || is(next, ".")) return undefined;
    if (is(next, "(")) return argument(tokens, index + 1);
    return next?.kind === "text" ? next : fromClause(tokens, index + 1);
  },
  export: (tokens, index) => {
    const start = tokens[index + 1]?.value === "type" ? index + 2 : index + 1;
    const opens = is(tokens[start], "*") || is(tokens[start], "{");
    return opens && !isMember(tokens, index) ? fromClause(tokens, start) : undefined;
  },
  require: (tokens, index) => argument(tokens, index + 1),
  getBuiltinModule: (tokens, index) => argument(tokens, index + 1),
  /** `require.resolve("x")` and `import.meta.resolve("x")`, not `path.resolve("x")`. */
  resolve: (tokens, index) => {
    const owner = isMember(tokens, index) ? tokens[index - 2]?.value : undefined;
    return owner === "require" || owner === "meta" ? argument(tokens, index + 1) : undefined;
  },
  /** `createRequire(import.meta.url)("x")` and `createRequire(import.meta.url).resolve("x")`. */
  createRequire: (tokens, index) => {
    if (!is(tokens[index + 1], "(")) return undefined;
    const close = tokens.findIndex((token, at) => at > index && is(token, ")"));
    return argument(tokens, is(tokens[close + 1], ".") ? close + 3 : close + 1);
  },
};

/** Every module that these tokens name, whatever the way, types included. */
export function importsOf(tokens: readonly Token[]): Import[] {
  return tokens.flatMap(({ kind, value, line }, index) => {
    if (kind !== "word" || !Object.hasOwn(readings, value)) return [];
    const named = readings[value]?.(tokens, index);
    if (named === undefined) return [];
    return [{ from: named === "computed" ? undefined : named.value, line }];
  });
}

/** The first argument of a call whose bracket is at `open`. */
function argument(tokens: readonly Token[], open: number): Named {
  if (!is(tokens[open], "(")) return undefined;
  const first = tokens[open + 1];
  // A string that goes on, as in `"a" + b`, is computed; so is a template, whose text is empty here.
  const whole = is(tokens[open + 2], ")") || is(tokens[open + 2], ",");
  return first?.kind === "text" && first.value !== "" && whole ? first : "computed";
}

/** The module's name after the next `from`; none where the statement ends before. */
function fromClause(tokens: readonly Token[], start: number): Token | undefined {
  for (let at = start; at < tokens.length; at += 1) {
    const [token, next] = [tokens[at], tokens[at + 1]];
    const isFrom = token?.kind === "word" && token.value === "from";
    if (isFrom && next?.kind === "text") return next;
    // `import x = require("…")` is read at its require.
    if ([";", "(", "="].some((mark) => is(token, mark))) return undefined;
    if (is(token, "}") && !(next?.kind === "word" && next.value === "from")) return undefined;
  }
  return undefined;
}

function is(token: Token | undefined, mark: string): boolean {
  return token?.kind === "mark" && token.value === mark;
}

function isMember(tokens: readonly Token[], index: number): boolean {
  return is(tokens[index - 1], ".");
}

/** `{ import: … }`: a key of that name is no import. */
function isKey(next: Token | undefined): boolean {
  return next === undefined || (next.kind === "mark" && /[:,})=?]/.test(next.value));
}
