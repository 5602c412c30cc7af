import { asServiceError, type EventContract, type Params, ServiceError } from "@sallyport/contracts";
import type { z } from "zod";
import type { Bus } from "./connect.ts";
import type { Closable } from "./serve.ts";
import { decodeJson, encodeJson } from "./wire.ts";

/** Sends news to whoever listens. False when NATS is away or the message is too large: news may be lost. */
export function publish<P extends string, B extends z.ZodType>(
  bus: Bus,
  contract: EventContract<P, B>,
  news: { params: Params<P>; body: z.input<B> | Uint8Array },
): boolean {
  const bytes = news.body instanceof Uint8Array ? news.body : encodeJson(news.body);
  if (bytes.length > contract.maxBytes || !bus.connected()) return false;
  bus.nats.publish(contract.subject.subjectFor(news.params), bytes);
  return true;
}

/** Listens to news; {pinned} narrows whose. What does not fit the contract is logged and dropped. */
export function subscribe<P extends string, B extends z.ZodType>(
  bus: Bus,
  contract: EventContract<P, B>,
  on: {
    pinned?: Partial<Record<string, string>>;
    /** Several listeners of one zone share the news instead of each getting all of it. */
    shared?: boolean;
    news(body: z.output<B>, params: Params<P>): void;
  },
): Closable {
  const { body } = contract;
  if (body === undefined)
    throw new ServiceError("internal", `${contract.subject.pattern} carries bytes: use subscribeBytes`);
  return subscribeBytes(bus, contract, {
    ...on,
    news: (bytes, params) => on.news(decodeJson(body, bytes, contract.maxBytes), params),
  });
}

export function subscribeBytes<P extends string>(
  bus: Bus,
  contract: EventContract<P, z.ZodType>,
  on: {
    pinned?: Partial<Record<string, string>>;
    shared?: boolean;
    news(bytes: Uint8Array, params: Params<P>): void;
  },
): Closable {
  const subscription = bus.nats.subscribe(contract.subject.filterFor(on.pinned ?? {}), {
    ...(on.shared ? { queue: bus.who.zone } : {}),
    callback: (error, message) => {
      if (error !== null) return;
      try {
        const params = contract.subject.paramsOf(message.subject);
        if (params === undefined || message.data.length > contract.maxBytes) {
          throw new ServiceError("invalid", "the message does not fit its contract");
        }
        on.news(message.data, params);
      } catch (thrown) {
        const problem = asServiceError(thrown);
        bus.log.warn({ contract: contract.subject.pattern, detail: problem.detail }, problem.message);
      }
    },
  });
  return {
    close: async () => {
      subscription.unsubscribe();
    },
  };
}
