import {
  type BucketContract,
  type LogContract,
  type QueueContract,
  subjectToken,
} from "@sallyport/contracts";

/*
 * What a reader asks of JetStream, as @nats-io/jetstream's ordered push consumers and @nats-io/kv send it. The consumer's
 * name is the one free token; the filter at the end is checked by the server against the request's body.
 *
 * NATS checks the subject of a request, never the reply subject in it. So whoever may ask JetStream for a stored message
 * as it is may have it sent to any subject, that of a stream included. Left out for that reason:
 * - CONSUMER.MSG.NEXT: a pull whose reply subject is `audit.v1.…` appends a genuine record a second time. A push
 *   consumer cannot: the server refuses a deliver subject that leads back into its stream.
 * - DIRECT.GET: it repeats stored headers, and so could carry the delete marker of one key to another.
 *
 * Nobody may list or delete consumers. Their names are random, so no reader can find, and end or redirect, the watch of
 * another; a consumer that its reader has left goes by itself after five minutes.
 */

/** Read a log from any point, in order, with a consumer of one's own. */
export function logReadRights(contract: LogContract): string[] {
  const stream = subjectToken("stream", contract.stream);
  return readRights(stream, contract.subject.filterFor({}));
}

/** Get one key; watch all keys, unless the contract says that nobody does. An answer to a get is wrapped in JSON. */
export function bucketReadRights(contract: BucketContract): string[] {
  const bucket = subjectToken("bucket", contract.name);
  const stream = `KV_${bucket}`;
  const get = `$JS.API.STREAM.MSG.GET.${stream}`;
  if (!contract.watched) return [`$JS.API.STREAM.INFO.${stream}`, get];
  return [get, ...readRights(stream, `$KV.${bucket}.>`)];
}

/**
 * Pull from a pool's consumer and acknowledge. A taker may have an entry delivered to any subject, so it may never be
 * who writes entries; and they are short, for the case that both have fallen.
 */
export function queueTakeRights(contract: QueueContract): string[] {
  const stream = subjectToken("stream", contract.stream);
  return [`$JS.API.CONSUMER.MSG.NEXT.${stream}.*`, `$JS.ACK.${stream}.>`];
}

/** Ask of a pool's consumer how much waits. */
export function queueCountRights(contract: QueueContract): string[] {
  return [`$JS.API.CONSUMER.INFO.${subjectToken("stream", contract.stream)}.*`];
}

/** A push consumer that delivers to its reader's inbox and whose flow control is answered at `$JS.FC`. */
function readRights(stream: string, filter: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.*.${filter}`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}
