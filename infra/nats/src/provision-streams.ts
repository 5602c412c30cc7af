import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { type RelayRoad, visitRelay } from "@sallyport/bus";
import { type Contract, contracts as everyContract, subjectToken } from "@sallyport/contracts";
import { type Asset, assetsOf } from "./assets.ts";
import { provisionerInbox } from "./provisioner.ts";

export interface ProvisionOptions extends RelayRoad {
  servers: readonly string[];
  /** The provisioner's creds file, as bytes. */
  creds: Uint8Array;
  /** Bytes that each log and each bucket may take on disk. A full one refuses what comes, it drops nothing. */
  maxBytes: { log: number; bucket: number };
  replicas?: 1 | 3 | 5;
  contracts?: readonly Contract[];
  /** Each queue gets a consumer for each; `default` unless told. */
  pools?: readonly string[];
}

export interface Provisioned {
  stream: string;
  outcome: "created" | "as wanted" | "grown" | "differs";
  /** Settings that are not as wanted; a person decides, nothing is changed. */
  differences: readonly string[];
}

/** Makes what is missing, lets a stream grow, and reports what else differs. Running it again changes nothing. */
export async function provisionStreams(options: ProvisionOptions): Promise<readonly Provisioned[]> {
  const nats = await visitRelay({ ...options, name: "provisioner", inboxPrefix: provisionerInbox });
  try {
    const { streams, consumers } = await jetstreamManager(nats, { checkAPI: false });
    const done: Provisioned[] = [];
    for (const asset of assetsOf(options.contracts ?? everyContract)) {
      done.push(await provision(streams, wantedConfig(asset, options)));
      const { stream, queue } = asset;
      if (queue === undefined) continue;
      for (const pool of options.pools ?? ["default"]) await consumers.add(stream, poolConsumer(queue, pool));
    }
    return done;
  } finally {
    await nats.close();
  }
}

type Streams = Awaited<ReturnType<typeof jetstreamManager>>["streams"];
type Wanted = Partial<StreamConfig> & { name: string; max_bytes: number };

async function provision(streams: Streams, wanted: Wanted): Promise<Provisioned> {
  const stream = wanted.name;
  const found = await infoOf(streams, stream);
  if (found === undefined) {
    await streams.add(wanted);
    return { stream, outcome: "created", differences: [] };
  }
  const differences = differing(found, wanted);
  if (differences.length === 0) return { stream, outcome: "as wanted", differences };
  if (differences.length === 1 && differences[0] === "max_bytes" && found.max_bytes < wanted.max_bytes) {
    await streams.update(stream, { max_bytes: wanted.max_bytes });
    return { stream, outcome: "grown", differences: [] };
  }
  return { stream, outcome: "differs", differences };
}

async function infoOf(streams: Streams, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Pure: the names of the settings in `wanted` that `found` has otherwise. */
function differing(found: Partial<StreamConfig>, wanted: Partial<StreamConfig>): string[] {
  const off = (value: unknown) => value === undefined || value === false || value === 0;
  return Object.entries(wanted)
    .filter(([key, value]) => {
      const there = found[key as keyof StreamConfig];
      return !(off(value) && off(there)) && JSON.stringify(there) !== JSON.stringify(value);
    })
    .map(([key]) => key);
}

/** Pure: a stream that keeps what it acknowledged, and refuses when it is full. */
function wantedConfig(asset: Asset, options: Pick<ProvisionOptions, "maxBytes" | "replicas">): Wanted {
  const bucket = asset.kind === "bucket";
  const { queue } = asset;
  return {
    name: asset.stream,
    subjects: [...asset.subjects],
    retention: queue === undefined ? RetentionPolicy.Limits : RetentionPolicy.Workqueue,
    storage: StorageType.File,
    num_replicas: options.replicas ?? 1,
    max_bytes: maxBytesOf(asset, options.maxBytes),
    ...(queue === undefined ? {} : { max_msgs: queue.maxMessages }),
    max_msg_size: asset.maxMessageBytes,
    max_age: nanos(asset.ttlSeconds * 1000),
    // A full stream refuses the append, and so the call: dropping the oldest would let a flood wash records away.
    discard: DiscardPolicy.New,
    duplicate_window: nanos(120_000),
    deny_delete: true,
    // A bucket's writer purges a key with a roll-up header, which leaves a marker that may expire.
    deny_purge: asset.writeOnce,
    allow_rollup_hdrs: !asset.writeOnce,
    allow_msg_ttl: bucket,
    max_msgs_per_subject: bucket ? 1 : -1,
    // The second message for a key is refused, whoever sends it: an answer of JetStream's own too.
    discard_new_per_subject: bucket && asset.writeOnce,
    // See src/jetstream-rights.ts: a direct answer repeats stored headers at a subject of its asker's choice.
    allow_direct: false,
    // A reader that is gone leaves its consumer for five minutes at most, durable or not: nobody can use them up for good.
    max_consumers: 1024,
    // A queue's consumers stay, whether a runner is there or not.
    consumer_limits: queue === undefined ? { inactive_threshold: nanos(300_000) } : {},
  };
}

/** A queue is bounded by its number of entries: it may take what those can at most, with what is stored beside each. */
function maxBytesOf(asset: Asset, maxBytes: ProvisionOptions["maxBytes"]): number {
  if (asset.kind !== "queue") return maxBytes[asset.kind];
  return (asset.queue?.maxMessages ?? 0) * (asset.maxMessageBytes + 256);
}

/** Pure: gives each entry to one taker at a time, again when its time is over, as often as it takes. */
function poolConsumer(queue: NonNullable<Asset["queue"]>, pool: string): Partial<ConsumerConfig> {
  return {
    durable_name: subjectToken("pool", pool),
    filter_subject: queue.filterOf(pool),
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(queue.ackWaitMs),
    max_deliver: -1,
    max_ack_pending: queue.maxMessages,
    max_waiting: 512,
  };
}
