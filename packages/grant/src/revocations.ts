import type { GrantFacts } from "./grant.ts";

/** What can be revoked. `everything` needs no value. */
export type RevocationTarget =
  | { kind: "token" | "grant" | "agent" | "server" | "session"; value: string }
  | { kind: "everything" };

export type Revocation = RevocationTarget & {
  /** Until when. For a token or grant, its own end: afterwards it opens nothing anyway. */
  until: Date;
};

/** The names of a grant by which it can be revoked. */
export type Revocable = Pick<GrantFacts, "id" | "tokenHash" | "session" | "agent" | "server">;

export interface Revocations {
  /**
   * Revoking again can prolong, never shorten. Where there is no room for one more, everything is revoked until it ends:
   * whoever fills the list must not keep what is named after that from being revoked.
   */
  add(revocation: Revocation, now: Date): void;
  /** Why this grant no longer counts, or undefined. */
  isRevoked(grant: Revocable, now: Date): RevocationTarget["kind"] | undefined;
  readonly size: number;
}

/** The revocations in force here. Pure: time is an argument, and nothing but `add` changes it. */
export function revocations(capacity = 10_000): Revocations {
  const ends = new Map<string, number>();
  let everythingUntil = Number.NEGATIVE_INFINITY;
  const hasRoomFor = (key: string, now: Date): boolean => {
    if (!ends.has(key) && ends.size >= capacity) forgetEnded(ends, now);
    return ends.has(key) || ends.size < capacity;
  };

  return {
    add(revocation, now) {
      const until = revocation.until.getTime();
      if (Number.isNaN(until)) throw new TypeError("a revocation needs an end");
      const key = revocation.kind === "everything" ? undefined : keyOf(revocation.kind, revocation.value);
      if (key !== undefined && hasRoomFor(key, now)) ends.set(key, Math.max(ends.get(key) ?? until, until));
      else everythingUntil = Math.max(everythingUntil, until);
    },
    isRevoked(grant, now) {
      const time = now.getTime();
      if (everythingUntil > time) return "everything";
      if (ends.size === 0) return undefined;
      return namesOf(grant).find(([kind, value]) => (ends.get(keyOf(kind, value)) ?? 0) > time)?.[0];
    },
    get size() {
      return ends.size;
    },
  };
}

type Named = Exclude<RevocationTarget["kind"], "everything">;

function namesOf(grant: Revocable): [Named, string][] {
  return [
    ["grant", grant.id],
    ["token", grant.tokenHash],
    ["session", grant.session],
    ["agent", grant.agent],
    ["server", grant.server],
  ];
}

function keyOf(kind: Named, value: string): string {
  return `${kind} ${value}`;
}

function forgetEnded(ends: Map<string, number>, now: Date): void {
  for (const [key, end] of ends) if (end <= now.getTime()) ends.delete(key);
}
