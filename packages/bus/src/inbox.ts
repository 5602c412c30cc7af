import { randomFillSync } from "node:crypto";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/nats-core";
import { ServiceError } from "@sallyport/contracts";
import type { Turn } from "./turn.ts";

const tokenBytes = 12;

interface Waiting {
  resolve(message: Msg): void;
  reject(error: ServiceError): void;
  timer: NodeJS.Timeout;
}

/**
 * Answers come to one wildcard subscription under this client's own prefix, by a token that nobody can guess: a peer
 * that can make the server deliver something here must not pass it off as the answer to a question.
 */
export class Inbox {
  readonly #nats: NatsConnection;
  readonly #prefix: string;
  readonly #turn: Turn;
  readonly #waiting = new Map<string, Waiting>();
  readonly #random = Buffer.alloc(tokenBytes * 256);
  #used = this.#random.length;

  constructor(nats: NatsConnection, prefix: string, turn: Turn) {
    this.#nats = nats;
    this.#prefix = `${prefix}.a.`;
    this.#turn = turn;
    nats.subscribe(`${this.#prefix}*`, { callback: (error, message) => this.#take(error, message) });
  }

  /** Publishes with an inbox of its own and resolves with what comes back. Throws `timeout` or `unavailable`. */
  ask(subject: string, data: Uint8Array, options: { timeoutMs: number; headers?: MsgHdrs }): Promise<Msg> {
    const token = this.#token();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(token);
        reject(new ServiceError("timeout", `${subject} was not answered in time`));
      }, options.timeoutMs);
      this.#waiting.set(token, { resolve, reject, timer });
      this.#turn.atEnd(() => {
        try {
          const reply = this.#prefix + token;
          this.#nats.publish(
            subject,
            data,
            options.headers ? { reply, headers: options.headers } : { reply },
          );
        } catch (error) {
          this.#settle(token)?.reject(
            new ServiceError("unavailable", `${subject} could not be sent`, {
              detail: String(error),
              cause: error,
            }),
          );
        }
      });
    });
  }

  /** Nobody waits for ever for an inbox that is gone. */
  close(): void {
    for (const token of [...this.#waiting.keys()]) {
      this.#settle(token)?.reject(new ServiceError("unavailable", "the connection to NATS was closed"));
    }
  }

  #take(error: Error | null, message: Msg): void {
    if (error !== null) return;
    const waiting = this.#settle(message.subject.slice(this.#prefix.length));
    if (waiting === undefined) return;
    // The server's own word that nobody listens (NATS status 503, with an empty body).
    if (message.data.length === 0 && message.headers?.code === 503) {
      waiting.reject(new ServiceError("unavailable", "nobody serves this now"));
    } else waiting.resolve(message);
  }

  #settle(token: string): Waiting | undefined {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(token);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #token(): string {
    if (this.#used === this.#random.length) {
      randomFillSync(this.#random);
      this.#used = 0;
    }
    const token = this.#random.toString("base64url", this.#used, this.#used + tokenBytes);
    this.#used += tokenBytes;
    return token;
  }
}
