import type { Bucket } from "@sallyport/bus";
import type { revocations } from "@sallyport/contracts";
import type { z } from "zod";

export type Revocation = z.output<typeof revocations.value>;

/** What a revocation may name. */
export interface Revocable {
  grant?: string | undefined;
  token?: string | undefined;
  agent: string;
  server: string;
}

/** A kind that the contract gains does not compile until it is answered here. */
const nameOf: Record<Revocation["kind"], (what: Revocable) => string | undefined> = {
  grant: ({ grant }) => grant,
  token: ({ token }) => token,
  agent: ({ agent }) => agent,
  server: ({ server }) => server,
};

export interface RevocationList {
  /** The kind of the revocation that names this, or undefined. */
  revokes(what: Revocable, now: Date): Revocation["kind"] | undefined;
  /** Told of each revocation that comes from now on. */
  onRevoked(listener: () => void): void;
  close(): Promise<void>;
}

/** The operator's revocations, kept true by a watch. Resolves when those that exist are known: before, nothing is leased. */
export async function openRevocations(bucket: Pick<Bucket<Revocation>, "watch">): Promise<RevocationList> {
  const listeners: (() => void)[] = [];
  const byKey = new Map<string, Revocation>();
  /** `agent agent-7` → the time at which the last of its revocations ends. */
  let ends = new Map<string, number>();
  const watch = await bucket.watch((key, entry) => {
    if (entry === undefined) byKey.delete(key);
    else byKey.set(key, entry.value);
    const next = new Map<string, number>();
    for (const { kind, value, until } of byKey.values()) {
      const name = `${kind} ${value}`;
      next.set(name, Math.max(next.get(name) ?? 0, Date.parse(until)));
    }
    ends = next;
    if (entry !== undefined) for (const listener of listeners) listener();
  });
  return {
    revokes: (what, now) => {
      const kinds = Object.keys(nameOf) as Revocation["kind"][];
      return kinds.find((kind) => (ends.get(`${kind} ${nameOf[kind](what)}`) ?? 0) > +now);
    },
    onRevoked: (listener) => {
      listeners.push(listener);
    },
    close: () => watch.close(),
  };
}
