import type { z } from "zod";
import type { ErrorCode } from "./errors.ts";
import { type SubjectPattern, subjectPattern } from "./subject.ts";
import type { Zone } from "./zones.ts";

/** A question with one answer. Every instance that serves it shares one queue group. */
export interface RequestContract<
  P extends string = string,
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
> {
  readonly kind: "request";
  readonly subject: SubjectPattern<P>;
  readonly input: I;
  readonly output: O;
  readonly errors: readonly ErrorCode[];
  readonly servedBy: Zone;
  readonly calledBy: readonly Zone[];
  /** Asking twice does no harm: a timeout may be retried. */
  readonly idempotent: boolean;
}

/** News for whoever listens now. Nothing is kept. */
export interface EventContract<P extends string = string, B extends z.ZodType = z.ZodType> {
  readonly kind: "event";
  readonly subject: SubjectPattern<P>;
  /** The body's schema; without one the body is bytes of a foreign format, bounded by `maxBytes`. */
  readonly body: B | undefined;
  readonly maxBytes: number;
  readonly publishedBy: readonly Zone[];
  readonly heardBy: readonly Zone[];
}

/** Sealed bytes both ways between two instances: the road of an exchange. */
export interface StreamContract<Up extends string = string, Down extends string = string> {
  readonly kind: "stream";
  readonly up: SubjectPattern<Up>;
  readonly down: SubjectPattern<Down>;
  readonly caller: Zone;
  readonly server: Zone;
  /** Bytes of one message: below the NATS payload limit of 1 MiB. */
  readonly maxBytes: number;
}

/** An append to a JetStream stream, acknowledged when it is stored. */
export interface LogContract<P extends string = string> {
  readonly kind: "log";
  readonly subject: SubjectPattern<P>;
  readonly stream: string;
  readonly maxBytes: number;
  readonly appendedBy: readonly Zone[];
  readonly readBy: readonly Zone[];
}

/** A JetStream key-value bucket. */
export interface BucketContract<V extends z.ZodType = z.ZodType> {
  readonly kind: "bucket";
  readonly name: string;
  readonly value: V;
  readonly writtenBy: readonly Zone[];
  readonly readBy: readonly Zone[];
  readonly ttlSeconds: number;
  /**
   * An entry can be neither replaced nor deleted. NATS does not check reply subjects, so whoever may publish or ask
   * anything of JetStream can have its answer stored at a key of his choice: where an entry may not go, only this holds.
   */
  readonly writeOnce: boolean;
  /**
   * Whether its readers may watch and list it, with a consumer. NATS does not check where a consumer delivers, so a zone
   * that writes a bucket and watches it could have words of its own choice delivered into any stream, the audit log
   * included. A bucket that an exposed zone writes is not watched: its readers get one key at a time.
   */
  readonly watched: boolean;
}

/**
 * A JetStream work queue with one consumer for each {pool}, made by the provisioner. An entry is there until one taker
 * has acknowledged it; what is neither acknowledged nor prolonged within `ackWaitMs` is given out again. Full, it
 * refuses what comes.
 *
 * A taker may pull, and NATS does not check where a pull delivers: no zone may both enqueue and take, or it could have
 * words of its own choice delivered into any stream.
 */
export interface QueueContract<P extends string = string> {
  readonly kind: "queue";
  readonly subject: SubjectPattern<P>;
  readonly stream: string;
  readonly maxBytes: number;
  readonly maxMessages: number;
  readonly ttlSeconds: number;
  readonly ackWaitMs: number;
  readonly enqueuedBy: readonly Zone[];
  readonly takenBy: readonly Zone[];
  /** Who may ask how much waits. */
  readonly countedBy: readonly Zone[];
}

export type Contract =
  | RequestContract
  | EventContract
  | StreamContract
  | LogContract
  | BucketContract
  | QueueContract;

export function request<const P extends string, I extends z.ZodType, O extends z.ZodType>(spec: {
  subject: P;
  input: I;
  output: O;
  errors: readonly ErrorCode[];
  servedBy: Zone;
  calledBy: readonly Zone[];
  idempotent?: boolean;
}): RequestContract<P, I, O> {
  return {
    ...spec,
    kind: "request",
    subject: subjectPattern(spec.subject),
    idempotent: spec.idempotent ?? false,
  };
}

export function event<const P extends string, B extends z.ZodType = z.ZodType>(spec: {
  subject: P;
  body?: B;
  maxBytes: number;
  publishedBy: readonly Zone[];
  heardBy: readonly Zone[];
}): EventContract<P, B> {
  return { ...spec, kind: "event", body: spec.body, subject: subjectPattern(spec.subject) };
}

export function stream<const Up extends string, const Down extends string>(spec: {
  up: Up;
  down: Down;
  caller: Zone;
  server: Zone;
  maxBytes: number;
}): StreamContract<Up, Down> {
  return { ...spec, kind: "stream", up: subjectPattern(spec.up), down: subjectPattern(spec.down) };
}

export function log<const P extends string>(spec: {
  subject: P;
  stream: string;
  maxBytes: number;
  appendedBy: readonly Zone[];
  readBy: readonly Zone[];
}): LogContract<P> {
  return { ...spec, kind: "log", subject: subjectPattern(spec.subject) };
}

export function bucket<V extends z.ZodType>(spec: {
  name: string;
  value: V;
  writtenBy: readonly Zone[];
  readBy: readonly Zone[];
  ttlSeconds: number;
  writeOnce?: boolean;
  watched?: boolean;
}): BucketContract<V> {
  return {
    ...spec,
    kind: "bucket",
    writeOnce: spec.writeOnce ?? false,
    watched: spec.watched ?? true,
  };
}

export function queue<const P extends string>(
  spec: Omit<QueueContract, "kind" | "subject"> & { subject: P },
): QueueContract<P> {
  const both = spec.enqueuedBy.filter((zone) => spec.takenBy.includes(zone));
  if (both.length > 0) throw new RangeError(`${spec.stream}: ${both.join(", ")} may not enqueue and take`);
  const subject = subjectPattern(spec.subject);
  if (!subject.placeholders.includes("pool")) throw new RangeError(`${spec.stream}: a queue has a {pool}`);
  return { ...spec, kind: "queue", subject };
}
