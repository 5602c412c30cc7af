import { AuditError } from "./audit-error.ts";
import type { AuditRecord } from "./record.ts";

/** Sixteen records with their line ends make at most 256 KiB, the bound of one message. */
const maxRecordBytes = 16 * 1024 - 1;

export interface AuditWriterOptions {
  /**
   * Stores a batch, newline-delimited JSON, and resolves when it is durable. The same `messageId` may be stored twice
   * and must count once.
   */
  publish(batch: Uint8Array, messageId: string): Promise<void>;
  /** Records waiting for their turn; one more is refused. */
  maxQueued?: number;
  /** Records in one message. */
  maxBatch?: number;
  /** From `append` to its rejection when no acknowledgement comes. */
  ackTimeoutMs?: number;
  /** How long a record that nothing waits for may wait for company. */
  laterMs?: number;
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number;
}

export interface AuditWriter {
  /** Resolves when the record is durably acknowledged. Rejects with an AuditError: then what it speaks of must not happen. */
  append(record: AuditRecord): Promise<void>;
  /**
   * For a record that nothing waits for: it rides with the next one that somebody waits for, or goes by itself after
   * `laterMs`. Resolves and rejects as `append` does.
   */
  appendLater(record: AuditRecord): Promise<void>;
  /** Takes no more records; resolves when every record taken has its answer. */
  close(): Promise<void>;
}

interface Waiting {
  id: string;
  line: string;
  deadline: number;
  resolve(): void;
  reject(error: AuditError): void;
}

/**
 * Group commit: while one acknowledgement is in flight, further records queue and ride in the next message, so the cost
 * of an fsync is shared by as many calls as wait for it. Fails closed: a record without its acknowledgement in time, or
 * without room in the queue, rejects. Nothing is remembered of a failure: the next append tries again.
 */
export function auditWriter(options: AuditWriterOptions): AuditWriter {
  const {
    publish,
    maxQueued = 4096,
    maxBatch = 16,
    ackTimeoutMs = 1000,
    laterMs = 50,
    now = () => performance.now(),
  } = options;
  const queue: Waiting[] = [];
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const run = async () => {
    // One turn of the microtask queue: records of the same moment share the first message too.
    await undefined;
    while (queue.length > 0) await commit(queue.splice(0, maxBatch));
    running = undefined;
  };

  const commit = async (batch: Waiting[]): Promise<void> => {
    const [first] = batch;
    if (first === undefined) return;
    const bytes = new TextEncoder().encode(batch.map(({ line }) => `${line}\n`).join(""));
    try {
      // The oldest record's time is the batch's: nobody waits longer than was promised.
      await within(publish(bytes, first.id), first.deadline - now());
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      const error = new AuditError("unavailable", "the audit record could not be made durable", cause);
      for (const { reject } of batch) reject(error);
    }
  };

  const start = () => {
    clearTimeout(timer);
    timer = undefined;
    running ??= run();
  };

  const take = (record: AuditRecord): Promise<void> => {
    if (closed) return refuse("unavailable", "the audit writer is closed");
    if (queue.length >= maxQueued) return refuse("unavailable", `${maxQueued} audit records wait already`);
    const line = JSON.stringify(record);
    if (Buffer.byteLength(line) > maxRecordBytes) {
      return refuse("invalid", `an audit record has more than ${maxRecordBytes} bytes`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    queue.push({ id: record.id, line, deadline: now() + ackTimeoutMs, resolve, reject });
    return promise;
  };

  return {
    append: (record) => {
      const taken = take(record);
      start();
      return taken;
    },
    appendLater: (record) => {
      const taken = take(record);
      if (running === undefined) timer ??= setTimeout(start, laterMs);
      return taken;
    },
    close: async () => {
      closed = true;
      start();
      await running;
    },
  };
}

function refuse(code: AuditError["code"], message: string): Promise<never> {
  return Promise.reject(new AuditError(code, message));
}

/** The outcome, or a rejection when it takes longer. A late outcome is ignored: its records have already failed. */
async function within(outcome: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no acknowledgement in time")), Math.max(0, ms));
  try {
    await Promise.race([outcome, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
