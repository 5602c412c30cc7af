import { hash } from "node:crypto";
import { type Bucket, type Bus, openBucket } from "@sallyport/bus";
import { revocations, ServiceError } from "@sallyport/contracts";
import type { z } from "zod";

export type Revocation = z.output<typeof revocations.value>;
export type RevocationKind = Revocation["kind"];

/** One entry for each thing that is revoked. Values are of any text; keys are not. */
export function revocationKey({ kind, value }: Pick<Revocation, "kind" | "value">): string {
  return `${kind}-${hash("sha256", value, "base64url")}`;
}

/**
 * Pure: what to write over `known`. Revoking again prolongs and never shortens: a second operator must not set somebody
 * free by mistake. A reason stays until there is a new one.
 */
export function prolonged(known: Revocation | undefined, wanted: Revocation): Revocation {
  if (known === undefined) return wanted;
  const until = Date.parse(known.until) > Date.parse(wanted.until) ? known.until : wanted.until;
  const reason = wanted.reason ?? known.reason;
  return { ...wanted, until, ...(reason === undefined ? {} : { reason }) };
}

/** Writes a revocation. Returns what is in force. Two operators at once: the later end stays. */
export async function revoke(bus: Bus, wanted: Revocation): Promise<Revocation> {
  const bucket = await openBucket(bus, revocations);
  const key = revocationKey(wanted);
  for (let attempt = 1; ; attempt += 1) {
    const known = await bucket.get(key);
    const next = prolonged(known?.value, wanted);
    const lost = await wasFaster(bucket, { key, next, expect: known?.revision ?? 0 });
    if (!lost) return next;
    if (attempt === 5) throw new ServiceError("unavailable", "others write this revocation all the time");
  }
}

async function wasFaster(
  bucket: Bucket<Revocation>,
  { key, next, expect }: { key: string; next: Revocation; expect: number },
): Promise<boolean> {
  try {
    await bucket.put(key, next, { expect });
    return false;
  } catch (error) {
    if (error instanceof ServiceError && error.code === "conflict") return true;
    throw error;
  }
}

/** Every revocation that is written down, those that have ended too. */
export async function listRevocations(bus: Bus): Promise<Revocation[]> {
  const entries = await (await openBucket(bus, revocations)).entries();
  return entries.map(({ value }) => value).sort((a, b) => Date.parse(a.until) - Date.parse(b.until));
}
