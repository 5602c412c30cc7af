import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import type { LogContract } from "@sallyport/contracts";
import type { Bus } from "./connect.ts";
import { natsFailure } from "./request.ts";

export interface LogEntry {
  subject: string;
  sequence: number;
  bytes: Uint8Array;
}

/**
 * The entries of a stream in order, oldest first. `follow` goes on with what is appended later, until the signal;
 * without it the reading ends at what was newest at its start. A push consumer: one that pulls names where each entry goes, and
 * could have the server append it again.
 */
export async function* readLog(
  bus: Bus,
  contract: LogContract,
  options: { since?: Date; follow: boolean; signal: AbortSignal },
): AsyncGenerator<LogEntry> {
  try {
    const client = jetstream(bus.nats);
    const consumer = await client.consumers.getPushConsumer(contract.stream, {
      filter_subjects: contract.subject.filterFor({}),
      ...(options.since
        ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: options.since.toISOString() }
        : { deliver_policy: DeliverPolicy.All }),
    });
    let remaining = options.follow ? Infinity : (await consumer.info(true)).num_pending;
    if (remaining === 0) return;
    const messages = await consumer.consume();
    const stop = () => messages.stop();
    options.signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const message of messages) {
        yield { subject: message.subject, sequence: message.seq, bytes: message.data };
        remaining -= 1;
        if (remaining <= 0) return;
      }
    } finally {
      options.signal.removeEventListener("abort", stop);
      await messages.close();
    }
  } catch (error) {
    throw natsFailure(error, contract.stream);
  }
}
