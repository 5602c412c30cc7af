import { type Contract, subjectToken } from "@sallyport/contracts";

/** A JetStream stream as the contracts ask for it. A bucket is a stream with a name of its own. */
export interface Asset {
  stream: string;
  subjects: readonly string[];
  kind: "log" | "bucket" | "queue";
  /** No entry is replaced or deleted: a log never has that, a bucket where its contract says so. */
  writeOnce: boolean;
  /** Seconds after which an entry goes; 0 is never. */
  ttlSeconds: number;
  maxMessageBytes: number;
  /** Of a queue: how many entries, and how its pools' consumers give them out. */
  queue?: { maxMessages: number; ackWaitMs: number; filterOf(pool: string): string };
}

const maxEntryBytes = 64 * 1024;

/** Every stream that the contracts name. */
export function assetsOf(contracts: readonly Contract[]): readonly Asset[] {
  return contracts.flatMap((contract): Asset[] => {
    if (contract.kind === "log") {
      return [
        {
          stream: subjectToken("stream", contract.stream),
          subjects: [contract.subject.filterFor({})],
          kind: "log",
          writeOnce: true,
          ttlSeconds: 0,
          maxMessageBytes: contract.maxBytes,
        },
      ];
    }
    if (contract.kind === "bucket") {
      const bucket = subjectToken("bucket", contract.name);
      return [
        {
          stream: `KV_${bucket}`,
          subjects: [`$KV.${bucket}.>`],
          kind: "bucket",
          writeOnce: contract.writeOnce,
          ttlSeconds: contract.ttlSeconds,
          maxMessageBytes: maxEntryBytes,
        },
      ];
    }
    if (contract.kind === "queue") {
      const { maxMessages, ackWaitMs } = contract;
      return [
        {
          stream: subjectToken("stream", contract.stream),
          subjects: [contract.subject.filterFor({})],
          kind: "queue",
          writeOnce: true,
          ttlSeconds: contract.ttlSeconds,
          maxMessageBytes: contract.maxBytes,
          queue: { maxMessages, ackWaitMs, filterOf: (pool) => contract.subject.filterFor({ pool }) },
        },
      ];
    }
    return [];
  });
}
