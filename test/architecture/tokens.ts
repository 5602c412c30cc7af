/** One token of a TypeScript file. Comments and white space are none; of a template, what is inside its `${ }`. */
export interface Token {
  readonly kind: "word" | "text" | "mark";
  /** A word or mark as written; a string's content; nothing for a template or a regular expression. */
  readonly value: string;
  readonly line: number;
}

/** A file in which this reader would lose its place. It must not be skipped: what is not read is not checked. */
export class UnreadableSource extends Error {}

const space = /\s+/y;
const word = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*|\d[\w.]*/uy;
const string = /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y;
const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const hashbang = /#![^\n]*/y;
const regex = /\/(?:[^/\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])+\/[a-z]*/y;
const templatePiece = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;

/** After these a slash begins a regular expression; after other words, strings and closing brackets it divides. */
const beforeRegex = new Set(["return", "typeof", "case", "in", "of", "await", "yield", "do", "else", "void"]);

/** The tokens of a file in order. Throws `UnreadableSource` rather than lose its place. */
export function tokensOf(source: string): Token[] {
  return new Reader(source).read();
}

class Reader {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  /** For each open template: how many braces are open inside its `${`. */
  readonly #templates: number[] = [];
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  read(): Token[] {
    this.#take(hashbang);
    while (this.#at < this.#source.length) this.#next();
    if (this.#templates.length > 0) throw this.#unreadable("a template without an end");
    return this.#tokens;
  }

  #next(): void {
    if (this.#take(space) ?? this.#take(comment)) return;
    const line = this.#line;
    const next = this.#source[this.#at] ?? "";
    if (next === "/") this.#slash();
    else if (next === '"' || next === "'") this.#string(line);
    else if (next === "`") {
      this.#at += 1;
      this.#tokens.push({ kind: "text", value: "", line });
      this.#template();
    } else if (next === "{" || next === "}") this.#brace();
    else {
      const value = this.#take(word);
      if (value === undefined) this.#mark();
      else this.#tokens.push({ kind: "word", value, line });
    }
  }

  #string(line: number): void {
    const text = this.#take(string);
    if (text === undefined) throw this.#unreadable("a string without an end");
    this.#tokens.push({ kind: "text", value: unescaped(text.slice(1, -1)), line });
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#line += found.split("\n").length - 1;
    return found;
  }

  #mark(): void {
    this.#tokens.push({ kind: "mark", value: this.#source[this.#at] ?? "", line: this.#line });
    this.#at += 1;
  }

  #slash(): void {
    const last = this.#tokens.at(-1);
    const divides =
      last?.kind === "text" ||
      (last?.kind === "mark" && /[)\]}]/.test(last.value)) ||
      (last?.kind === "word" && !beforeRegex.has(last.value));
    if (divides) this.#mark();
    else if (this.#take(regex)) this.#tokens.push({ kind: "text", value: "", line: this.#line });
    else throw this.#unreadable("a slash that is neither comment, division nor regular expression");
  }

  /** Up to the end of a template, or into its next `${`. */
  #template(): void {
    this.#take(templatePiece);
    if (this.#source[this.#at] === "`") this.#at += 1;
    else if (this.#source.startsWith("${", this.#at)) {
      this.#at += 2;
      this.#templates.push(0);
    } else throw this.#unreadable("a template without an end");
  }

  /** Inside a template's `${ }`, the brace that closes it goes on with the template. */
  #brace(): void {
    const depth = this.#templates.at(-1);
    const opens = this.#source[this.#at] === "{";
    if (depth === 0 && !opens) {
      this.#templates.pop();
      this.#at += 1;
      this.#template();
      return;
    }
    if (depth !== undefined) this.#templates[this.#templates.length - 1] = depth + (opens ? 1 : -1);
    this.#mark();
  }

  #unreadable(what: string): UnreadableSource {
    return new UnreadableSource(`line ${this.#line}: ${what}`);
  }
}

/** `"node:child\u005fprocess"` is no way around a rule. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:u\{([0-9a-f]+)\}|u([0-9a-f]{4})|x([0-9a-f]{2})|([\s\S]))/gi,
    (_, a, b, c, other) =>
      other === undefined ? String.fromCodePoint(Number.parseInt(a ?? b ?? c, 16)) : other,
  );
}
