import { type KvEntry, Kvm } from "@nats-io/kv";
import { type BucketContract, ServiceError } from "@sallyport/contracts";
import type { z } from "zod";
import type { Bus } from "./connect.ts";
import { natsFailure } from "./request.ts";
import type { Closable } from "./serve.ts";
import { decodeJson, encodeJson } from "./wire.ts";

const maxValueBytes = 64 * 1024;

export interface Entry<V> {
  key: string;
  value: V;
  /** For `put` with `expect`: the write happens only if nobody wrote in between. */
  revision: number;
}

/** A JetStream key-value bucket whose values fit the contract. Keys are subject tokens. */
export interface Bucket<V> {
  get(key: string): Promise<Entry<V> | undefined>;
  /** Writes; with `expect` only over that revision (0: only if absent). Throws `conflict` when somebody was faster. */
  put(key: string, value: V, options?: { expect?: number }): Promise<number>;
  /** With `expect` only at that revision. Throws `conflict` when somebody wrote or deleted it since. */
  delete(key: string, options?: { expect?: number }): Promise<void>;
  entries(): Promise<Entry<V>[]>;
  /** Every entry now and each change later; `undefined` is a deletion. Resolves when what is there now was told. */
  watch(on: (key: string, entry: Entry<V> | undefined) => void): Promise<Closable>;
}

export async function openBucket<S extends z.ZodType>(
  bus: Bus,
  contract: BucketContract<S>,
): Promise<Bucket<z.output<S>>> {
  const kv = await new Kvm(bus.nats).open(contract.name, { allow_direct: false }).catch((error: unknown) => {
    throw natsFailure(error, `bucket ${contract.name}`);
  });
  type V = z.output<S>;
  const read = (entry: KvEntry): Entry<V> | undefined => {
    if (entry.operation !== "PUT") return undefined;
    return {
      key: entry.key,
      value: decodeJson(contract.value, entry.value, maxValueBytes),
      revision: entry.revision,
    };
  };
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      if (/wrong last sequence/i.test(String(error))) {
        throw new ServiceError("conflict", `${contract.name}: somebody else wrote this entry first`, {
          cause: error,
        });
      }
      if (/maximum (bytes|messages) exceeded/i.test(String(error))) {
        const message = `${contract.name} is full and takes nothing more: let the provisioner grow it`;
        throw new ServiceError("exhausted", message, { cause: error });
      }
      throw natsFailure(error, `bucket ${contract.name}`);
    }
  };
  const watch: Bucket<V>["watch"] = async (on) => {
    const iterator = await guarded(kv.watch());
    const told = new Promise<void>((resolve, reject) => {
      const drain = async () => {
        for await (const entry of iterator) {
          try {
            on(entry.key, read(entry));
          } catch (error) {
            bus.log.warn(
              { bucket: contract.name, problem: String(error) },
              "a bucket's entry does not fit its contract",
            );
          }
          if (entry.delta === 0) resolve();
        }
      };
      drain().catch(reject);
    });
    const { values } = await guarded(kv.status());
    if (values > 0) await guarded(told);
    told.catch((error: unknown) =>
      bus.log.error({ bucket: contract.name, problem: String(error) }, "a watch ended"),
    );
    return {
      close: async () => {
        iterator.stop();
      },
    };
  };
  return {
    get: async (key) => {
      const entry = await guarded(kv.get(key));
      return entry === null ? undefined : read(entry);
    },
    put: (key, value, { expect } = {}) => {
      const bytes = encodeJson(value);
      if (expect === undefined) return guarded(kv.put(key, bytes));
      return guarded(expect === 0 ? kv.create(key, bytes) : kv.update(key, bytes, expect));
    },
    // The marker of a deletion goes too, once every watcher has seen it: a full bucket refuses what comes.
    delete: (key, { expect } = {}) =>
      guarded(kv.purge(key, { ttl: "10m", ...(expect === undefined ? {} : { previousSeq: expect }) })),
    entries: async () => {
      const found: Entry<V>[] = [];
      const keys: string[] = [];
      for await (const key of await guarded(kv.keys())) keys.push(key);
      for (const key of keys) {
        const entry = await guarded(kv.get(key));
        try {
          const value = entry === null ? undefined : read(entry);
          if (value !== undefined) found.push(value);
        } catch (error) {
          // Anybody who may ask JetStream something can have its answer stored at a free key.
          bus.log.warn(
            { bucket: contract.name, key, problem: String(error) },
            "a bucket's entry does not fit its contract",
          );
        }
      }
      return found;
    },
    watch,
  };
}
