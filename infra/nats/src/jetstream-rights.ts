import { type BucketContract, type LogContract, subjectToken } from "@sallyport/contracts";

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

/** Get one key; watch all keys. */
export function bucketReadRights(contract: BucketContract): string[] {
  const bucket = subjectToken("bucket", contract.name);
  const stream = `KV_${bucket}`;
  return [`$JS.API.STREAM.MSG.GET.${stream}`, ...readRights(stream, `$KV.${bucket}.>`)];
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
