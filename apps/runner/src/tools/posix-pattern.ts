export interface PosixPattern {
  readonly pattern: string;
  readonly how: "regex" | "regex-ignoring-case";
}

/**
 * A pattern as people write it (Perl, Rust, JavaScript) in POSIX extended syntax, where it says the same for the
 * question whether a line matches; or why it can't be said. Classes such as `\d` are `SandboxFiles`' own matter.
 */
export function posixPattern(written: string): PosixPattern | string {
  if (/[\n\r]/.test(written)) return "a pattern is one line: lines are searched one by one";
  const ignoring = written.startsWith("(?i)");
  const rest = ignoring ? written.slice(4) : written;
  let unsupported: string | undefined;
  // Brackets and escaped characters are passed over whole.
  const pattern = rest.replace(
    /\[\^?\]?[^\]]*\]|\\.|\(\?(?::|<?[=!]|.?)|([*+?}])[?+]/gs,
    (part, quantifier) => {
      if (/^\\[1-9]/.test(part)) unsupported = `a back reference (${part})`;
      if (part === "(?:") return "(";
      if (part.startsWith("(?")) unsupported = `a group that begins with ${part}`;
      return typeof quantifier === "string" ? quantifier : part;
    },
  );
  if (unsupported !== undefined) return `${unsupported} is not supported here; use bash, such as grep -rnP`;
  return { pattern, how: ignoring ? "regex-ignoring-case" : "regex" };
}
