import { headers } from "@nats-io/nats-core";
import { type LogContract, type Params, ServiceError } from "@sallyport/contracts";
import type { Bus } from "./connect.ts";
import { natsFailure } from "./request.ts";

const decoder = new TextDecoder();

/**
 * Appends to a JetStream stream and resolves when the server says that it is stored. Any other outcome throws
 * `unavailable`: full, missing, away, late. `messageId` must be unguessable: the stream stores each once.
 */
export async function append<P extends string>(
  bus: Bus,
  contract: LogContract<P>,
  entry: { params: Params<P>; bytes: Uint8Array; messageId: string; timeoutMs: number },
): Promise<void> {
  if (entry.bytes.length > contract.maxBytes) {
    throw new ServiceError(
      "invalid",
      `a ${contract.stream} message of ${entry.bytes.length} bytes is over ${contract.maxBytes}`,
    );
  }
  if (!bus.connected())
    throw new ServiceError("unavailable", `${contract.stream} cannot be reached: NATS is away`);
  const idHeader = headers();
  idHeader.set("Nats-Msg-Id", entry.messageId);
  let reply: string;
  try {
    const message = await bus.inbox.ask(contract.subject.subjectFor(entry.params), entry.bytes, {
      timeoutMs: entry.timeoutMs,
      headers: idHeader,
    });
    reply = decoder.decode(message.data.subarray(0, 4096));
  } catch (error) {
    const failure = natsFailure(error, contract.stream);
    throw new ServiceError("unavailable", failure.message, { cause: error });
  }
  if (!isStored(reply, contract.stream)) {
    throw new ServiceError("unavailable", `${contract.stream} refused a record`, { detail: reply });
  }
}

function isStored(reply: string, stream: string): boolean {
  try {
    const ack = JSON.parse(reply) as {
      stream?: unknown;
      seq?: unknown;
      error?: unknown;
      duplicate?: unknown;
    };
    // A duplicate was not stored: somebody used this id before, and this record would vanish with an acknowledgement.
    return (
      ack.error === undefined &&
      ack.duplicate !== true &&
      ack.stream === stream &&
      typeof ack.seq === "number"
    );
  } catch {
    return false;
  }
}
