import { type BucketContract, type LogContract, subjectToken } from "@sallyport/contracts";

/*
 * What a reader asks of JetStream, as @nats-io/jetstream's ordered consumers and @nats-io/kv send it. The consumer's
 * name is the one free token; the filter at the end is checked by the server against the request's body.
 *
 * Nobody may list or delete consumers. Their names are random, so no reader can find, and end or redirect, the watch of
 * another; a consumer that its reader has left goes by itself after five minutes.
 */

/** Read a log from any point, in order, with a consumer of one's own. */
export function logReadRights(contract: LogContract): string[] {
  const stream = subjectToken("stream", contract.stream);
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.*.${contract.subject.filterFor({})}`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
  ];
}

/** Get one key; watch all keys with a push consumer, whose flow control is answered at `$JS.FC`. */
export function bucketReadRights(contract: BucketContract): string[] {
  const bucket = subjectToken("bucket", contract.name);
  const stream = `KV_${bucket}`;
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.*.$KV.${bucket}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}
