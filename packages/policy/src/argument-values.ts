import type { CedarValueJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { Rule } from "./rule.ts";

/**
 * What a set of rules reads, as a tree. `by` is a rule that reads here or below; `whole` says that one looks at the value
 * itself, rather than below it or at its presence.
 */
interface Reads {
  readonly by: Rule;
  whole: boolean;
  readonly below: Map<string, Reads>;
}

export type ArgumentReads = Reads;

export type Arguments =
  | { readonly ok: true; readonly record: Record<string, CedarValueJson> }
  | { readonly ok: false; readonly rule: Rule; readonly reason: string };

const MAX_DEPTH = 16;
const MAX_VALUES = 2000;
const MAX_CHARACTERS = 256 * 1024;

/** Undefined when none of the rules looks at an argument. */
export function readsOf(rules: readonly Rule[]): ArgumentReads | undefined {
  let root: Reads | undefined;
  for (const rule of rules)
    for (const { path, presence } of rule.reads) {
      root ??= { by: rule, whole: false, below: new Map() };
      let node = root;
      for (const step of path) {
        const next: Reads = node.below.get(step) ?? { by: rule, whole: false, below: new Map() };
        node.below.set(step, next);
        node = next;
      }
      node.whole ||= !presence;
    }
  return root;
}

/**
 * The arguments as Cedar values, only those that a rule reads. Cedar knows no null, no fraction and no integer beyond 64
 * bits. To leave such a value out, or round it, could keep a forbid from applying; so a value that a rule reads and Cedar
 * cannot hold refuses the call and names the rule. What no rule reads may be anything.
 *
 * A key that equals a read one but for letter case refuses as well: the server behind may match keys without regard to
 * case, and take `Amount` where the rule saw `amount`.
 */
export function cedarArguments(values: Readonly<Record<string, unknown>>, reads: ArgumentReads): Arguments {
  const budget = { values: MAX_VALUES, characters: MAX_CHARACTERS };
  try {
    const record = pick(values, reads, { path: "arguments", budget });
    return { ok: true, record: record as Record<string, CedarValueJson> };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { ok: false, rule: error.rule, reason: error.message };
  }
}

interface Walk {
  readonly path: string;
  readonly budget: { values: number; characters: number };
}

class Unreadable extends Error {
  readonly rule: Rule;
  constructor(rule: Rule, problem: string) {
    super(`rule "${rule.id}" reads ${problem}`);
    this.rule = rule;
  }
}

function pick(value: unknown, reads: Reads, walk: Walk): CedarValueJson {
  if (reads.whole) return convert(value, reads.by, { ...walk, depth: 0 });
  // To most servers null is as good as absent, to some it is a value: what a test for presence should say is not known.
  if (value === null) throw new Unreadable(reads.by, `${walk.path}, which is null`);
  // That something is there is all that can be asked of it; asking for an attribute fails, as it should.
  if (!isRecord(value)) return true;
  const picked: [string, CedarValueJson][] = [];
  for (const key of Object.keys(value)) {
    const below = reads.below.get(key);
    if (below) picked.push([key, pick(value[key], below, { ...walk, path: `${walk.path}.${key}` })]);
    else {
      const folded = fold(key);
      for (const [name, variant] of reads.below)
        if (fold(name) === folded)
          throw new Unreadable(
            variant.by,
            `${walk.path}.${name}, and a key differs from it only by letter case`,
          );
    }
  }
  return Object.fromEntries(picked);
}

function convert(value: unknown, rule: Rule, walk: Walk & { readonly depth: number }): CedarValueJson {
  const { path, budget, depth } = walk;
  if (--budget.values < 0) throw new Unreadable(rule, `${path}, which holds more than ${MAX_VALUES} values`);
  if (depth > MAX_DEPTH) throw new Unreadable(rule, `${path}, which is nested more than ${MAX_DEPTH} deep`);
  if (typeof value === "boolean") return value;
  if (typeof value === "string") return text(value, rule, walk);
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return value;
    throw new Unreadable(rule, `${path}, a number that is not an integer of at most 53 bits`);
  }
  const inner = { ...walk, depth: depth + 1 };
  if (Array.isArray(value)) return value.map((item) => convert(item, rule, inner));
  if (!isRecord(value)) throw new Unreadable(rule, `${path}, which is null`);
  const record: Record<string, CedarValueJson> = {};
  for (const [key, item] of Object.entries(value)) {
    // `__entity` and `__extn` in Cedar's JSON make an entity or a decimal out of what the caller wrote.
    if (key.startsWith("__")) throw new Unreadable(rule, `${path}, which holds a key that starts with "__"`);
    record[text(key, rule, walk)] = convert(item, rule, inner);
  }
  return record;
}

function text(value: string, rule: Rule, { path, budget }: Walk): string {
  budget.characters -= value.length;
  if (budget.characters < 0)
    throw new Unreadable(rule, `${path}, which holds more than ${MAX_CHARACTERS} characters`);
  if (!value.isWellFormed()) throw new Unreadable(rule, `${path}, which holds half of a surrogate pair`);
  return value;
}

/** Upper case first: it takes the long s to S, as Go's folding does. */
function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
