import { isUtf8 } from "node:buffer";

/** Bounds on one document. `maxKeys` counts the keys of all objects together. */
export interface JsonLimits {
  readonly maxBytes: number;
  /** Nesting of objects and arrays; a scalar document has depth 0. Default 64. */
  readonly maxDepth?: number;
  /** Default 20 000. */
  readonly maxKeys?: number;
}

export type JsonProblem =
  | "too-large"
  | "byte-order-mark"
  | "invalid-utf8"
  | "too-deep"
  | "too-many-keys"
  | "duplicate-key"
  | "forbidden-key"
  | "lone-surrogate"
  | "number-out-of-range"
  | "syntax";

/** `at` is an offset in UTF-16 code units of the decoded text, where it is known. */
export type JsonReading =
  | { readonly ok: true; readonly value: unknown; readonly text: string }
  | { readonly ok: false; readonly problem: JsonProblem; readonly at?: number };

/**
 * Reads a document that every JSON parser reads alike, and refuses all others. Parsers differ in which duplicate key
 * wins, how they decode broken UTF-8, lone surrogates and 1e999; a message read one way by the policy and another way by
 * the server behind it is a bypass. Keys are compared after unescaping, since `"a"` and `"\u0061"` are one key.
 *
 * The scan runs before JSON.parse so that depth and key count are bounded first; it leaves syntax to JSON.parse.
 */
export function parseStrict(bytes: Uint8Array, limits: JsonLimits): JsonReading {
  if (bytes.byteLength > limits.maxBytes) return { ok: false, problem: "too-large" };
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
    return { ok: false, problem: "byte-order-mark" };
  if (!isUtf8(bytes)) return { ok: false, problem: "invalid-utf8" };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const found = scan(text, limits.maxDepth ?? 64, limits.maxKeys ?? 20_000);
  if (found) return { ok: false, ...found };
  try {
    return { ok: true, value: JSON.parse(text) as unknown, text };
  } catch {
    return { ok: false, problem: "syntax" };
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

type Found = { readonly problem: JsonProblem; readonly at: number };

/** Walks the text once. It bounds and compares; whether the text is JSON at all is left to JSON.parse. */
class Scan {
  problem: JsonProblem | undefined;
  readonly #text: string;
  readonly #escapes: boolean;
  readonly #maxDepth: number;
  #keysLeft: number;
  /** One entry per open container: the keys of an object so far, undefined for an array. */
  readonly #open: (Set<string> | undefined)[] = [];
  /** The next string is a key: after `{`, and after `,` in an object. */
  #expectKey = false;

  constructor(text: string, maxDepth: number, maxKeys: number) {
    this.#text = text;
    this.#escapes = text.includes("\\");
    this.#maxDepth = maxDepth;
    this.#keysLeft = maxKeys;
  }

  /** Takes the token at this offset and says where the next one may begin. */
  step(at: number): number {
    const code = this.#text.charCodeAt(at);
    if (code === QUOTE) return this.#string(at);
    if (isNumberPart(code)) return this.#number(at);
    if (code === 0x7b || code === 0x5b) {
      if (this.#open.length === this.#maxDepth) this.problem = "too-deep";
      this.#expectKey = code === 0x7b;
      this.#open.push(this.#expectKey ? new Set() : undefined);
    } else if (code === 0x7d || code === 0x5d) {
      this.#open.pop();
      this.#expectKey = false;
    } else if (code === 0x2c) this.#expectKey = this.#open.at(-1) !== undefined;
    return at + 1;
  }

  #string(at: number): number {
    const end = endOfString(this.#text, at, this.#escapes);
    if (end < 0) return this.#text.length;
    const keys = this.#expectKey ? this.#open.at(-1) : undefined;
    if (!keys && !this.#escapes) return end + 1;
    const raw = this.#text.slice(at + 1, end);
    if (this.#escapes) this.problem = escapeProblem(raw);
    if (keys) {
      this.#expectKey = false;
      this.problem ??= keyProblem(raw, keys);
      if (--this.#keysLeft < 0) this.problem ??= "too-many-keys";
    }
    return end + 1;
  }

  #number(at: number): number {
    const end = endOfNumber(this.#text, at);
    if (end < 0) this.problem = "number-out-of-range";
    return end;
  }
}

function scan(text: string, maxDepth: number, maxKeys: number): Found | undefined {
  const scanner = new Scan(text, maxDepth, maxKeys);
  for (let at = 0; at < text.length; ) {
    const next = scanner.step(at);
    if (scanner.problem) return { problem: scanner.problem, at };
    at = next;
  }
  return undefined;
}

/** Offset of the closing quote, or -1. `indexOf` makes long strings cheap. */
function endOfString(text: string, start: number, escapes: boolean): number {
  let end = text.indexOf('"', start + 1);
  while (escapes && end >= 0) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return end;
}

/** Offset after the number, or -1 when it overflows a double: some parsers then read infinity, some the exact value. */
function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  let exponent = false;
  while (end < text.length && isNumberPart(text.charCodeAt(end))) {
    exponent ||= (text.charCodeAt(end) | 0x20) === 0x65;
    end++;
  }
  const mayOverflow = exponent || end - start > 300;
  return mayOverflow && Math.abs(Number(text.slice(start, end))) === Number.POSITIVE_INFINITY ? -1 : end;
}

/** Digits, `.`, `+`, `-`, `e`, `E`. */
function isNumberPart(code: number): boolean {
  if (code < 0x3a) return code >= 0x30 || code === 0x2d || code === 0x2b || code === 0x2e;
  return code === 0x65 || code === 0x45;
}

function keyProblem(raw: string, keys: Set<string>): JsonProblem | undefined {
  const key = raw.includes("\\") ? unescaped(raw) : raw;
  // JSON.parse makes it an ordinary member, but the next one to copy the object would set its prototype.
  if (key === "__proto__") return "forbidden-key";
  if (keys.has(key)) return "duplicate-key";
  keys.add(key);
  return undefined;
}

function escapeProblem(raw: string): JsonProblem | undefined {
  return /\\u[dD][89a-fA-F]/.test(raw) && !unescaped(raw).isWellFormed() ? "lone-surrogate" : undefined;
}

/** A broken escape is returned as it is: JSON.parse of the whole text refuses it. */
function unescaped(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw;
  }
}
