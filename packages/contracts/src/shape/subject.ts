/** The placeholders of a subject pattern: `Params<"a.{b}.{c}">` is `{ b: string; c: string }`. */
export type Params<Pattern extends string> = Pattern extends `${string}{${infer Name}}${infer Rest}`
  ? { [K in Name]: string } & Params<Rest>
  : unknown;

/** What one token may hold. No dot, space, wildcard, NUL, CR or LF can reach the wire. */
const token = /^[A-Za-z0-9_-]{1,64}$/;

export class SubjectError extends Error {
  override readonly name = "SubjectError";
}

/** A value that stands as one token of a subject, or a SubjectError that says what is wrong with it. */
export function subjectToken(name: string, value: string): string {
  if (typeof value !== "string" || !token.test(value)) {
    throw new SubjectError(
      `${name} ${JSON.stringify(value)} cannot be part of a subject: use 1 to 64 of A-Z a-z 0-9 _ -`,
    );
  }
  return value;
}

/**
 * A queue group's name, checked like a subject token: the NATS client writes it to the wire as it is, so a CRLF in it
 * would be a second protocol line.
 */
export function queueGroup(name: string): string {
  return subjectToken("queue group", name);
}

export interface SubjectPattern<Pattern extends string> {
  readonly pattern: Pattern;
  readonly placeholders: readonly string[];
  /** The subject for these values. Throws SubjectError for a value that is not one token. */
  subjectFor(params: Params<Pattern>): string;
  /** The values in a subject, or undefined when it does not fit the pattern. */
  paramsOf(subject: string): Params<Pattern> | undefined;
  /** A filter in which the placeholders named in `pinned` hold their value and all others are `*`. */
  filterFor(pinned: Partial<Record<string, string>>): string;
}

export function subjectPattern<const Pattern extends string>(pattern: Pattern): SubjectPattern<Pattern> {
  const parts = pattern.split(".");
  const placeholders = parts.flatMap((part) => placeholderName(part) ?? []);
  for (const part of parts) {
    const name = placeholderName(part);
    if (name === undefined) subjectToken("subject part", part);
  }
  if (new Set(placeholders).size !== placeholders.length) {
    throw new SubjectError(`${pattern} names a placeholder twice`);
  }
  const fill = (value: (name: string) => string) =>
    parts
      .map((part) => {
        const name = placeholderName(part);
        return name === undefined ? part : value(name);
      })
      .join(".");
  return {
    pattern,
    placeholders,
    subjectFor: (params) =>
      fill((name) => subjectToken(name, (params as Record<string, string>)[name] as string)),
    paramsOf: (subject) => readParams(parts, subject) as Params<Pattern> | undefined,
    filterFor: (pinned) =>
      fill((name) => {
        const value = pinned[name];
        return value === undefined ? "*" : subjectToken(name, value);
      }),
  };
}

function placeholderName(part: string): string | undefined {
  return /^\{([a-z]+)\}$/.exec(part)?.[1];
}

function readParams(parts: readonly string[], subject: string): Record<string, string> | undefined {
  const tokens = subject.split(".");
  if (tokens.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const found = tokens[index] as string;
    const name = placeholderName(part);
    if (name === undefined) {
      if (part !== found) return undefined;
    } else {
      if (!token.test(found)) return undefined;
      params[name] = found;
    }
  }
  return params;
}
