import { timingSafeEqual } from "node:crypto";
import { environmentKeyHash, environmentKeyId, type environmentKeys } from "@sallyport/contracts";
import type { z } from "zod";

type Entry = z.output<typeof environmentKeys.value>;

export interface KnownKey {
  id: string;
  environment: string;
}

/** The environment keys in force, as the operator's bucket says: kept true by a watch on it. */
export class EnvironmentKeys {
  readonly #entries = new Map<string, Entry>();

  /** An entry, or that it is gone. */
  set(id: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#entries.delete(id);
    else this.#entries.set(id, entry);
  }

  /** Whether the key of this id is in force. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  find(key: string): KnownKey | undefined {
    const id = environmentKeyId(key);
    const entry = id === undefined ? undefined : this.#entries.get(id);
    if (id === undefined || entry === undefined) return undefined;
    return sameHash(entry.hash, environmentKeyHash(key)) ? { id, environment: entry.environment } : undefined;
  }
}

/** In constant time: how far a guess was right is not told. */
export function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "hex"), Buffer.from(b, "hex")];
  return left.length === 32 && left.length === right.length && timingSafeEqual(left, right);
}
