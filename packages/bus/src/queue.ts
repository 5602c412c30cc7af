import { randomBytes } from "node:crypto";
import { headers, type Msg } from "@nats-io/nats-core";
import { type Params, type QueueContract, ServiceError, subjectToken } from "@sallyport/contracts";
import { z } from "zod";
import { type Bus, inboxPrefix } from "./connect.ts";
import { natsFailure } from "./request.ts";
import { decodeJson } from "./wire.ts";

const stored = z.object({ stream: z.string(), seq: z.number() });
const refused = z.object({ error: z.object({ description: z.string().max(1000) }) });
const counts = z.object({ num_pending: z.number(), num_ack_pending: z.number(), num_waiting: z.number() });

/** An entry that this taker has until it says otherwise, or says nothing for the contract's `ackWaitMs`. */
export interface QueueEntry {
  bytes: Uint8Array;
  /** It leaves the queue. */
  done(): void;
  /** It is given out again, not before that many milliseconds. */
  later(afterMs: number): void;
  /** This taker still has it: its time begins anew. */
  alive(): void;
}

/**
 * Puts an entry into the queue. Throws `exhausted` when it is full, `unavailable` when it cannot be known to be there;
 * to enqueue again with the same unguessable `messageId`, within two minutes, adds no second one.
 */
export async function enqueue<P extends string>(
  bus: Bus,
  contract: QueueContract<P>,
  entry: { params: Params<P>; bytes: Uint8Array; messageId: string; timeoutMs: number },
): Promise<void> {
  const { stream } = contract;
  if (!bus.connected()) throw new ServiceError("unavailable", `${stream} cannot be reached: NATS is away`);
  const idHeader = headers();
  idHeader.set("Nats-Msg-Id", entry.messageId);
  const subject = contract.subject.subjectFor(entry.params);
  const { data } = await bus.inbox
    .ask(subject, entry.bytes, { timeoutMs: entry.timeoutMs, headers: idHeader })
    .catch((cause: unknown) => {
      throw new ServiceError("unavailable", natsFailure(cause, stream).message, { cause });
    });
  const answer = decodeJson(z.union([refused, stored]), data, 4096);
  if ("stream" in answer && answer.stream === stream) return;
  const detail = "error" in answer ? answer.error.description : "another stream answered";
  if (/maximum (messages|bytes) exceeded/i.test(detail))
    throw new ServiceError("exhausted", `${stream} is full: too much waits for a runner`, { detail });
  throw new ServiceError("unavailable", `${stream} refused an entry`, { detail });
}

/**
 * The next entry of a pool, or undefined when none came within `waitMs`. Throws `unavailable` when NATS is away or the
 * pool has no consumer. An entry whose delivery is lost on the way is given out again after `ackWaitMs`.
 */
export async function take(
  bus: Bus,
  contract: QueueContract,
  options: { pool: string; waitMs: number },
): Promise<QueueEntry | undefined> {
  const pool = subjectToken("pool", options.pool);
  if (!bus.connected())
    throw new ServiceError("unavailable", `${contract.stream} cannot be reached: NATS is away`);
  const message = await pull(bus, `$JS.API.CONSUMER.MSG.NEXT.${contract.stream}.${pool}`, options.waitMs);
  const code = message?.headers?.code ?? 0;
  if (message === undefined || code === 404 || code === 408) return undefined;
  const { reply } = message;
  if (code !== 0 || !reply?.startsWith(`$JS.ACK.${contract.stream}.`))
    throw new ServiceError("unavailable", `${contract.stream} gives out nothing for ${pool} now`, {
      detail: `status ${code} ${message.headers?.description ?? ""}`,
    });
  const say = (word: string) => {
    // A word that cannot be sent is as one that is lost: the entry's time runs out.
    if (bus.connected()) bus.nats.publish(reply, word);
  };
  return {
    bytes: message.data,
    done: () => say("+ACK"),
    later: (afterMs) => say(`-NAK ${JSON.stringify({ delay: Math.max(0, Math.ceil(afterMs)) * 1_000_000 })}`),
    alive: () => say("+WPI"),
  };
}

/** How much of a pool waits (`queued`), how much takers have (`taken`), and how many pull now (`takers`). */
export async function countQueue(
  bus: Bus,
  contract: QueueContract,
  options: { pool: string; timeoutMs: number },
): Promise<{ queued: number; taken: number; takers: number }> {
  const subject = `$JS.API.CONSUMER.INFO.${contract.stream}.${subjectToken("pool", options.pool)}`;
  const { data } = await bus.inbox
    .ask(subject, new Uint8Array(), { timeoutMs: options.timeoutMs })
    .catch((error: unknown) => {
      throw natsFailure(error, contract.stream);
    });
  const found = decodeJson(z.union([refused, counts]), data, 64 * 1024);
  if ("error" in found)
    throw new ServiceError("unavailable", `${contract.stream} has no pool ${options.pool}`, {
      detail: found.error.description,
    });
  return { queued: found.num_pending, taken: found.num_ack_pending, takers: found.num_waiting };
}

/** A delivery keeps the entry's own subject, so it is told from others by a subscription of its own. */
function pull(bus: Bus, subject: string, waitMs: number): Promise<Msg | undefined> {
  const inbox = `${inboxPrefix(bus.who)}.q.${randomBytes(12).toString("base64url")}`;
  return new Promise((resolve) => {
    const subscription = bus.nats.subscribe(inbox, {
      max: 1,
      callback: (error, message) => {
        clearTimeout(timer);
        resolve(error === null ? message : undefined);
      },
    });
    const timer = setTimeout(() => {
      if (!bus.nats.isClosed()) subscription.unsubscribe();
      resolve(undefined);
    }, waitMs + 1_000);
    bus.nats.publish(subject, JSON.stringify({ batch: 1, expires: waitMs * 1_000_000 }), { reply: inbox });
  });
}
