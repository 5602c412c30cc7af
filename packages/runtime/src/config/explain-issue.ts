import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { at, keysOf } from "./schema-walk.ts";

export interface ExplainedIssue {
  path: readonly PropertyKey[];
  /** The path of a key that should not be there points at the key itself. */
  what: string;
}

/** Each zod issue as one sentence: what was found, what is expected. */
export function explainIssue(
  schema: z.core.$ZodType,
  issue: z.core.$ZodIssue,
  path: readonly PropertyKey[] = issue.path,
): ExplainedIssue[] {
  if (issue.code === "unrecognized_keys") {
    const known = keysOf(at(schema, path));
    return issue.keys.map((key) => ({ path: [...path, key], what: unknownKey(key, known) }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The alternative that came furthest is the one that was meant.
    const meant = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
    return meant.flatMap((inner) => explainIssue(schema, inner, [...path, ...inner.path]));
  }
  return [{ path, what: describe(issue) }];
}

export function unknownKey(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  if (guess !== undefined) return `unknown setting; did you mean ${guess}?`;
  return known.length === 0 ? "unknown setting" : `unknown setting; known here: ${known.join(", ")}`;
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

function describe(issue: z.core.$ZodIssue): string {
  const expected = expectation(issue);
  if (issue.code === "custom" && issue.params?.secret === true) return expected;
  // A choice's issue stands at the key that chooses, but carries the whole mapping.
  const key = issue.code === "invalid_union" && "discriminator" in issue ? issue.discriminator : undefined;
  const found = key === undefined ? issue.input : (issue.input as Record<string, unknown>)[key];
  return found === undefined
    ? `missing; expected ${expected}`
    : `found ${quote(found)}; expected ${expected}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected;
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(", ")}`;
    case "invalid_union":
      return "options" in issue ? `one of ${issue.options.map(String).join(", ")}` : issue.message;
    case "invalid_format":
      return issue.message.startsWith("Invalid") ? `a valid ${issue.format}` : issue.message;
    case "too_small":
      return `${issue.inclusive === false ? "more than" : "at least"} ${bound(issue.minimum, issue.origin)}`;
    case "too_big":
      return `${issue.inclusive === false ? "less than" : "at most"} ${bound(issue.maximum, issue.origin)}`;
    default:
      return issue.message;
  }
}

function bound(limit: number | bigint, origin: string): string {
  if (origin === "string") return `${limit} characters`;
  return origin === "array" ? `${limit} entries` : String(limit);
}

/** What was found, cut short; passwords in a URL are left out. */
function quote(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = JSON.stringify(value).replace(/\/\/[^/@"]*@/, "//…@");
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}
