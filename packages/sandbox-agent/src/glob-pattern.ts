const maxPatterns = 64;

/** `{a,b}` as the patterns that it stands for, inner ones too; more than 64 throw RangeError. An unclosed brace is a brace. */
export function expandBraces(pattern: string): readonly string[] {
  const done: string[] = [];
  const open = [pattern];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    // An innermost pair with a comma; `{x}` and `{}` stand for themselves.
    const found = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(next);
    if (found === null) done.push(next);
    else {
      const [, before = "", inner = "", after = ""] = found;
      open.push(
        ...inner
          .split(",")
          .map((one) => `${before}${one}${after}`)
          .reverse(),
      );
    }
    if (done.length + open.length > maxPatterns)
      throw new RangeError(`a pattern stands for at most ${maxPatterns} patterns`);
  }
  return [...new Set(done)];
}

/** An absolute pattern is looked for from its last folder without a wildcard, not through the whole root. */
export function rooted(pattern: string, folder: string): readonly [string, string] {
  if (!pattern.startsWith("/")) return [pattern, folder];
  const names = pattern.split("/");
  const wild = names.findIndex((name) => /[*?[\\{]/.test(name));
  const from = wild === -1 ? names.length - 1 : wild;
  return [names.slice(from).join("/"), names.slice(0, from).join("/") || "/"];
}
