import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { ServiceError } from "@sallyport/contracts";
import { encodeFrames, type Frame } from "./frames.ts";
import type { Incoming } from "./incoming.ts";
import { type Cipher, Link, type LinkOptions } from "./link.ts";

/** An AEAD that opens records in strict order, as a seal session does: a bus test needs no handshake. */
function cipherPair(): [Cipher, Cipher] {
  const keys = [randomBytes(32), randomBytes(32)] as const;
  const cipher = (sends: Buffer, receives: Buffer): Cipher => {
    let sent = 0;
    let opened = 0;
    return {
      seal: (parts) => {
        const aead = createCipheriv("aes-256-gcm", sends, nonce(sent++));
        return Buffer.concat([...parts.map((part) => aead.update(part)), aead.final(), aead.getAuthTag()]);
      },
      open: (record) => {
        const bytes = Buffer.from(record);
        const aead = createDecipheriv("aes-256-gcm", receives, nonce(opened), { authTagLength: 16 });
        aead.setAuthTag(bytes.subarray(-16));
        const plaintext = Buffer.concat([aead.update(bytes.subarray(0, -16)), aead.final()]);
        opened += 1;
        return plaintext;
      },
    };
  };
  return [cipher(keys[0], keys[1]), cipher(keys[1], keys[0])];
}

function nonce(count: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(count, 8);
  return bytes;
}

type Direction = "up" | "down";

export interface PairOptions {
  limits?: LinkOptions["limits"];
  /** What becomes of a record on its way; it arrives at once unless told. */
  road?(direction: Direction, record: Uint8Array, deliver: (record: Uint8Array) => void): void;
  /** What the server does with a request; it is kept in `requests` either way. */
  serve?(exchange: Incoming): void;
  control?(message: unknown): void;
}

export interface Pair {
  caller: Link;
  server: Link;
  /** Every request that arrived whole. */
  requests: Incoming[];
  deaths: { caller: ServiceError[]; server: ServiceError[] };
  close(): void;
}

/** Two links with a road between them that a test can hold, change, drop and repeat. */
export function linkPair(options: PairOptions = {}): Pair {
  const [callersCipher, serversCipher] = cipherPair();
  const { road = (_direction, record, deliver) => deliver(record) } = options;
  const requests: Incoming[] = [];
  const deaths: Pair["deaths"] = { caller: [], server: [] };
  const limits = options.limits ? { limits: options.limits } : {};
  const caller: Link = new Link({
    cipher: callersCipher,
    send: (record) => {
      road("up", record, (bytes) => queueMicrotask(() => server.receive(bytes)));
      return true;
    },
    dead: (error) => deaths.caller.push(error),
    ...limits,
  });
  const server: Link = new Link({
    cipher: serversCipher,
    send: (record) => {
      road("down", record, (bytes) => queueMicrotask(() => caller.receive(bytes)));
      return true;
    },
    opened: (exchange) => {
      requests.push(exchange);
      options.serve?.(exchange);
    },
    control: (message) => options.control?.(message),
    dead: (error) => deaths.server.push(error),
    ...limits,
  });
  const close = () => {
    for (const link of [caller, server]) if (!link.error) link.close(over);
  };
  return { caller, server, requests, deaths, close };
}

const over = new ServiceError("unavailable", "the test is over");

/** What a caller was told about one exchange, in order. */
export interface Told {
  events: ("head" | "data" | "end" | "fail")[];
  head: object | undefined;
  body: Buffer;
  error: ServiceError | undefined;
  /** Resolves at end or fail. */
  over: Promise<void>;
}

export interface Call {
  head?: object;
  body?: Uint8Array;
  deadlineMs?: number;
  /** Whether data counts as taken when it arrives. True unless told. */
  consume?: boolean;
}

export function call(
  link: Link,
  { head = { call: 1 }, body = Buffer.alloc(0), deadlineMs = 10_000, consume = true }: Call = {},
) {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const told: Told = {
    events: [],
    head: undefined,
    get body() {
      return Buffer.concat(chunks);
    },
    error: undefined,
    over: promise,
  };
  const exchange = link.open(
    { head, body, deadlineMs },
    {
      head: (reply) => {
        told.events.push("head");
        told.head = reply;
      },
      data: (chunk) => {
        told.events.push("data");
        chunks.push(Buffer.from(chunk));
        if (consume) exchange.consumed(chunk.length);
      },
      end: () => {
        told.events.push("end");
        resolve();
      },
      fail: (error) => {
        told.events.push("fail");
        told.error = error;
        resolve();
      },
    },
  );
  return { exchange, told };
}

/** One end of a link played by hand: an authentic peer that does not keep to the protocol. */
export function rawPeer(options: Partial<LinkOptions> = {}) {
  const [mine, theirs] = cipherPair();
  const deaths: ServiceError[] = [];
  const heard: Uint8Array[] = [];
  const link = new Link({
    cipher: mine,
    send: (record) => {
      heard.push(theirs.open(record));
      return true;
    },
    dead: (error) => deaths.push(error),
    ...options,
  });
  return {
    link,
    deaths,
    /** Plaintext of every record that the link sent. */
    heard,
    say: (...frames: Frame[]) => link.receive(theirs.seal(encodeFrames(frames))),
    sayBytes: (plaintext: Uint8Array) => link.receive(theirs.seal([plaintext])),
  };
}

/** After everything that is queued in this turn was flushed and delivered. */
export async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
