import type { Duplex } from "node:stream";
import type { ConnectionOptions, Server } from "@nats-io/nats-core";
import { type Deferred, deferred, type Transport } from "@nats-io/nats-core/internal";
import { asServiceError, type ServiceError } from "@sallyport/contracts";
import { readRelayAddress } from "./address.ts";
import { dialRelay, type RelayRoad } from "./dial.ts";
import { refused } from "./failure.ts";

/** What a connection tells of its tries. */
export interface RelayJourney {
  /** `certificateUntil`: the end of its certificate, where there is TLS. */
  reached(server: string, certificateUntil: Date | undefined): void;
  failed(server: string, why: ServiceError): void;
}

/** The client makes a transport for each try, and hands it the options of the connection: so the road stands there. */
export interface RoadOptions extends ConnectionOptions {
  road?: RelayRoad;
  journey?: RelayJourney;
  /** How long TCP, proxy, TLS and WebSocket may take together; less than `timeout`, so that the step can say so. */
  dialMs?: number;
}

/** NATS's client on the roads of `dialRelay`: its own two transports know one scheme each, and no proxy. */
export class RelayTransport implements Transport {
  readonly lang = "nats.js";
  readonly version = "3.4.0";
  closeError?: Error;
  #stream: Duplex | undefined;
  #encrypted = false;
  #done = false;
  #arrived: Uint8Array[] = [];
  #more: Deferred<void> = deferred();
  readonly #closed: Deferred<Error | undefined> = deferred();
  readonly #dialling = new AbortController();

  get isClosed(): boolean {
    return this.#done;
  }

  async connect(server: Server, options: RoadOptions): Promise<void> {
    const { road = {}, journey, dialMs = 3_000 } = options;
    const limit = setTimeout(() => this.#dialling.abort(), dialMs);
    try {
      const address = readRelayAddress(server.src.includes("://") ? server.src : `nats://${server.src}`);
      if ("problem" in address) throw refused(`${server.src} is not dialled: expected ${address.problem}`);
      const { stream, read, certificateUntil } = await dialRelay(address, road, this.#dialling.signal);
      if (this.#done) {
        stream.destroy();
        return;
      }
      this.#encrypted = address.tls;
      this.#carry(stream, read);
      journey?.reached(server.src, certificateUntil);
    } catch (error) {
      journey?.failed(server.src, asServiceError(error));
      throw error;
    } finally {
      clearTimeout(limit);
    }
  }

  #carry(stream: Duplex, read: Buffer | undefined): void {
    this.#stream = stream;
    if (read !== undefined) this.#push(read);
    stream.on("data", (bytes: Buffer) => this.#push(bytes));
    stream.on("error", (error) => {
      this.closeError = error;
    });
    stream.on("close", () => this.#end(this.closeError));
    // The last 'data' came before it: whatever else the other end hears is of no use to it.
    stream.on("end", () => stream.destroy());
    if (stream.destroyed) this.#end(undefined);
  }

  #push(bytes: Uint8Array): void {
    this.#arrived.push(bytes);
    this.#more.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    for (;;) {
      if (this.#arrived.length === 0) await this.#more;
      const arrived = this.#arrived;
      this.#arrived = [];
      yield* arrived;
      if (this.#done) return;
      if (this.#arrived.length === 0) this.#more = deferred();
    }
  }

  isEncrypted(): boolean {
    return this.#encrypted;
  }

  send(frame: Uint8Array): void {
    // Why a write fails is what the end of the stream says.
    if (!this.#done) this.#stream?.write(frame);
  }

  /** At once: the other end is silent or has refused, and a write to who is silent may never be over. */
  disconnect(): void {
    void this.close();
  }

  async close(error?: Error): Promise<void> {
    if (error !== undefined) this.closeError ??= error;
    if (this.#stream === undefined) this.discard();
    else this.#end(error);
  }

  /** Who carries nothing yet says nothing of its end: the client has the error of `connect`. */
  discard(): void {
    this.#done = true;
    this.#dialling.abort();
    this.#stream?.destroy();
    this.#more.resolve();
  }

  closed(): Promise<Error | undefined> {
    return this.#closed;
  }

  #end(error: Error | undefined): void {
    if (this.#done) return;
    this.discard();
    this.#closed.resolve(error);
  }
}
