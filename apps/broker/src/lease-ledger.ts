import { randomUUID } from "node:crypto";
import type { Bucket, Entry } from "@sallyport/bus";
import { type LeaseEntry, ServiceError } from "@sallyport/contracts";
import type { z } from "zod";

export type Lease = z.output<typeof LeaseEntry>;

/**
 * The leases of all brokers, as they are in the bucket. This one keeps a copy in memory, which the watch keeps true;
 * changes go to the bucket over the revision that was seen, so of two brokers one writes and the other looks again.
 *
 * An entry's key is random and known to brokers alone. NATS does not check reply subjects: a connector that knew the key
 * could have the acknowledgement of a record of its own stored over the lease, and nobody would revoke it any more.
 */
export interface LeaseLedger {
  all(): Lease[];
  of(connector: string, session?: string): Lease[];
  add(lease: Lease): Promise<void>;
  /** Writes what `change` makes of the lease as it is now. Nothing is written where it returns undefined. */
  change(leaseId: string, change: (lease: Lease) => Lease | undefined): Promise<Lease | undefined>;
  /** Whether it was removed by this very call: of brokers that end one lease together, one is told so. */
  remove(leaseId: string): Promise<boolean>;
  close(): Promise<void>;
}

const maxAttempts = 5;

/** Resolves when the copy holds everything that is in the bucket. */
export async function openLedger(bucket: Bucket<Lease>): Promise<LeaseLedger> {
  /** By the lease's id, and the id of each key. */
  const known = new Map<string, Entry<Lease>>();
  const idOf = new Map<string, string>();
  const learn = (key: string, entry: Entry<Lease> | undefined) => {
    const id = entry?.value.leaseId ?? idOf.get(key);
    if (id === undefined) return;
    if (entry === undefined) {
      known.delete(id);
      idOf.delete(key);
    } else if (entry.revision > (known.get(id)?.revision ?? 0)) {
      known.set(id, entry);
      idOf.set(key, id);
    }
  };
  const watch = await bucket.watch(learn);
  const all = () => [...known.values()].map((entry) => entry.value);

  /** As it is after somebody else was faster; undefined where it is gone. */
  const lookAgain = async (
    { key }: Entry<Lease>,
    { thrown, attempt }: { thrown: unknown; attempt: number },
  ) => {
    const lost = thrown instanceof ServiceError && thrown.code === "conflict";
    if (!lost || attempt === maxAttempts) return asUnavailable(thrown);
    const entry = await bucket.get(key).catch(asUnavailable);
    learn(key, entry);
    return entry;
  };

  return {
    all,
    of: (connector, session) =>
      all().filter(
        (lease) => lease.connector === connector && (session === undefined || lease.session === session),
      ),
    add: async (lease) => {
      const key = randomUUID();
      const revision = await bucket.put(key, lease, { expect: 0 }).catch(asUnavailable);
      learn(key, { key, value: lease, revision });
    },
    change: async (leaseId, change) => {
      let entry = known.get(leaseId);
      for (let attempt = 1; entry !== undefined; attempt += 1) {
        const value = change(entry.value);
        if (value === undefined) return entry.value;
        try {
          const { key } = entry;
          const revision = await bucket.put(key, value, { expect: entry.revision });
          learn(key, { key, value, revision });
          return value;
        } catch (thrown) {
          entry = await lookAgain(entry, { thrown, attempt });
        }
      }
      return undefined;
    },
    remove: async (leaseId) => {
      let entry = known.get(leaseId);
      for (let attempt = 1; entry !== undefined; attempt += 1) {
        const { key, revision } = entry;
        try {
          await bucket.delete(key, { expect: revision });
          learn(key, undefined);
          return true;
        } catch (thrown) {
          entry = await lookAgain(entry, { thrown, attempt });
        }
      }
      return false;
    },
    close: () => watch.close(),
  };
}

/** Whatever NATS says of the bucket: to who asks for a lease it means that none can be kept now. */
function asUnavailable(thrown: unknown): never {
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  throw new ServiceError("unavailable", "the lease ledger cannot be written; try again", {
    detail,
    cause: thrown,
  });
}
