import type { World } from "./world.ts";

/**
 * `held`: it was tried, and the boundary held. `escaped`: it got somewhere; also what did not end or broke, since that
 * proves nothing. `weaker`: this class of sandbox cannot stop it, and refuses a claim that asks for it. `not tried`: it
 * could not be tried here.
 */
export type Verdict = "held" | "escaped" | "weaker" | "not tried";

export interface Seen {
  readonly verdict: Verdict;
  /** What came out, in words. It may hold what a sandbox wrote: make it printable before a person sees it. */
  readonly seen: string;
  /** Of `weaker` and `not tried`: one sentence. */
  readonly why?: string;
}

/** One entry of the list. */
export interface Attack {
  readonly number: number;
  readonly name: string;
  readonly tries: string;
  /** Where the attack was seen, or where its defence is described. */
  readonly source: string;
  readonly expected: string;
  /** Milliseconds after which it counts as an escape. 15,000 unless told. */
  readonly deadlineMs?: number;
  run(world: World): Promise<Seen>;
}

/** One thing that was tried, and whether that is what the boundary promises. */
export interface Try {
  readonly what: string;
  readonly saw: string;
  readonly held: boolean;
}

export function tried(what: string, saw: string, expected: RegExp | string): Try {
  return { what, saw, held: typeof expected === "string" ? saw === expected : expected.test(saw) };
}

/** Pure. No try at all is no proof, so it is an escape. */
export function judge(tries: readonly Try[]): Seen {
  const escaped = tries.filter(({ held }) => !held);
  if (tries.length === 0) return { verdict: "escaped", seen: "nothing was tried" };
  if (escaped.length > 0)
    return {
      verdict: "escaped",
      seen: escaped.map(({ what, saw }) => `${what}: ${saw || "nothing"}`).join("; "),
    };
  const counts = [...Map.groupBy(tries, ({ saw }) => saw || "nothing")].map(
    ([saw, all]) => `${saw}${all.length > 1 ? ` ×${all.length}` : ""}`,
  );
  return { verdict: "held", seen: counts.join(", ") };
}

/** Pure: what holds, and beside it a part that the class cannot stop. An escape stays one. */
export function weakerBy(seen: Seen, part: Seen): Seen {
  if (seen.verdict === "escaped") return seen;
  if (part.verdict === "escaped") return part;
  return { ...part, seen: `${seen.seen}; ${part.seen}` };
}
