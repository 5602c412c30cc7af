import { setTimeout as delay } from "node:timers/promises";
import {
  asServiceError,
  type Params,
  queueGroup,
  type RequestContract,
  ServiceError,
  type SubjectPattern,
  type Zone,
} from "@sallyport/contracts";
import type { z } from "zod";
import { type Bus, inboxPrefix } from "./connect.ts";
import { decodeJson, encodeAnswer, encodeFailure } from "./wire.ts";

/** A relay that is away hears nothing. */
const lastWordMs = 1_000;

export interface ServeContext<P extends string> {
  /** Who asks, as NATS permissions pinned it in the subject. */
  params: Params<P>;
  signal: AbortSignal;
}

export type Handler<C extends RequestContract> =
  C extends RequestContract<infer P, infer I, infer O>
    ? (input: z.output<I>, context: ServeContext<P>) => Promise<z.input<O>>
    : never;

export interface ServeOptions {
  /** Requests in progress at once; more are answered `exhausted`. */
  maxInFlight?: number;
  maxRequestBytes?: number;
}

export interface Closable {
  close(): Promise<void>;
}

/**
 * Serves a contract in its zone's queue group: each request is checked, bounded and answered once, with an answer or
 * a typed error. Closing stops the intake and waits for what is in progress.
 */
export function serve<P extends string, I extends z.ZodType, O extends z.ZodType>(
  bus: Bus,
  contract: RequestContract<P, I, O>,
  handler: (input: z.output<I>, context: ServeContext<P>) => Promise<z.input<O>>,
  options: ServeOptions = {},
): Closable {
  const { maxInFlight = 256, maxRequestBytes = 128 * 1024 } = options;
  const inFlight = new Set<Promise<void>>();
  const stop = new AbortController();

  const answer = async (subject: string, data: Uint8Array): Promise<Uint8Array> => {
    try {
      const params = contract.subject.paramsOf(subject);
      if (params === undefined) throw new ServiceError("invalid", "the subject does not fit the contract");
      if (inFlight.size >= maxInFlight)
        throw new ServiceError("exhausted", "too many requests in progress; try again");
      const input = decodeJson(contract.input, data, maxRequestBytes);
      return encodeAnswer(await handler(input, { params, signal: stop.signal }));
    } catch (thrown) {
      const error = asServiceError(thrown);
      bus.log.warn(
        { contract: contract.subject.pattern, code: error.code, detail: error.detail },
        error.message,
      );
      return encodeFailure(contract as unknown as RequestContract, error);
    }
  };

  const subscription = bus.nats.subscribe(contract.subject.filterFor({}), {
    queue: queueGroup(contract.servedBy),
    callback: (error, message) => {
      if (error !== null || !message.reply) return;
      if (!isCallersInbox(message.reply, { contract, subject: message.subject })) {
        bus.log.warn(
          { contract: contract.subject.pattern },
          "a request asks for its answer in somebody else's place",
        );
        return;
      }
      const work = answer(message.subject, message.data)
        .then((reply) => {
          message.respond(reply);
        })
        .catch((failed: unknown) => {
          bus.log.warn(
            { contract: contract.subject.pattern, problem: String(failed) },
            "an answer could not be sent",
          );
        })
        .finally(() => inFlight.delete(work));
      inFlight.add(work);
    },
  });
  return {
    close: async () => {
      // What the relay has handed out before it hears of this is still answered: its asker could only wait in vain.
      const patience = delay(lastWordMs, undefined, { ref: false });
      await Promise.race([subscription.drain(), patience]).catch(() => undefined);
      subscription.unsubscribe();
      await Promise.allSettled(inFlight);
      stop.abort();
    },
  };
}

/**
 * NATS lets a server answer wherever a request says. A caller that names a bucket's key or another's inbox would have
 * this zone write there: answers go to the inbox of whom the subject names, or of a zone that may call.
 */
function isCallersInbox(
  reply: string,
  of: { contract: { calledBy: readonly Zone[]; subject: SubjectPattern<string> }; subject: string },
): boolean {
  const params = of.contract.subject.paramsOf(of.subject) as Record<string, string> | undefined;
  return of.contract.calledBy.some((zone) => {
    const instance = params?.[zone];
    const inbox = instance === undefined ? `_INBOX.${zone}.` : `${inboxPrefix({ zone, instance })}.`;
    return reply.startsWith(inbox);
  });
}
