import { type Bus, openBucket } from "@sallyport/bus";
import { revocationKey, revocations } from "@sallyport/contracts";
import type { z } from "zod";

export type Revocation = z.output<typeof revocations.value>;
export type RevocationKind = Revocation["kind"];

/** Writes a revocation: always a new entry, because none can be replaced. Of several, the one that ends last holds. */
export async function revoke(bus: Bus, revocation: Revocation): Promise<void> {
  const bucket = await openBucket(bus, revocations);
  await bucket.put(revocationKey(revocation.kind), revocation, { expect: 0 });
}

/** What is or was revoked, each thing once, with the end that holds. */
export async function listRevocations(bus: Bus): Promise<Revocation[]> {
  const entries = await (await openBucket(bus, revocations)).entries();
  return lastEnds(entries.map(({ value }) => value));
}

/** Pure: of several revocations of one thing, the one that ends last. Sorted by their ends. */
export function lastEnds(all: readonly Revocation[]): Revocation[] {
  const end = (one: Revocation) => Date.parse(one.until);
  const sorted = all.toSorted((a, b) => end(a) - end(b));
  return [...new Map(sorted.map((one) => [`${one.kind} ${one.value}`, one])).values()].sort(
    (a, b) => end(a) - end(b),
  );
}
