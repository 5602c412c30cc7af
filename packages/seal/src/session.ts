import { createCipheriv, createDecipheriv } from "node:crypto";
import { SealError } from "./error.ts";
import type { Direction, SessionSecrets } from "./key-schedule.ts";
import { HEADER_BYTES, Lane } from "./lane.ts";
import { TAG_BYTES } from "./suite.ts";

/** What one record may carry, in bytes. Whoever sends over NATS cuts smaller, to the server's payload limit. */
export const MAX_PLAINTEXT_BYTES = 1024 * 1024;
/** What a record adds to its plaintext, in bytes. */
export const RECORD_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;

export interface SealSession {
  /** base64url of 16 bytes; follows from the whole handshake. Grants are bound to it. Not secret. */
  readonly id: string;
  /** The name of the other side: proven by the handshake. */
  readonly peer: string;
  /**
   * The next record to send, of the parts in a row. It leaves `headroom` bytes free in front of the record, for the
   * envelope that it travels in. @throws SealError `dead`, `too-large` (session lives on), `exhausted`
   */
  seal(parts: Uint8Array | readonly Uint8Array[], headroom?: number): Buffer;
  /**
   * The plaintext of the next record. Records open in exactly the order in which they were sealed.
   * @throws SealError `bad-order`, `bad-record`: the session is then dead in both directions, since somebody
   * on the way changes what passes, and nothing more can be said about what arrives.
   */
  open(record: Uint8Array): Uint8Array;
  readonly dead: boolean;
  /** Forget the keys. Idempotent. */
  close(): void;
}

/** When the sender goes on to fresh keys. Whichever comes first. */
export interface SessionLimits {
  /** records in one epoch */
  records: number;
  /** plaintext bytes in one epoch */
  bytes: number;
  /** age of an epoch, in milliseconds */
  milliseconds: number;
  /** the last epoch's number; after it, the session is exhausted */
  lastEpoch: number;
}

const DEFAULT_LIMITS: SessionLimits = {
  records: 2 ** 20,
  bytes: 2 ** 30,
  milliseconds: 15 * 60_000,
  lastEpoch: 2 ** 32 - 1,
};

export interface SessionOptions {
  /** For tests; each missing limit has its default (2^20 records, 2^30 bytes, 15 minutes). */
  limits?: Partial<SessionLimits>;
  /** Milliseconds that only grow; a wall clock set back would keep an old key alive. */
  clock?: () => number;
}

interface SessionInit extends SessionOptions {
  secrets: SessionSecrets;
  peer: string;
  sends: Direction;
  receives: Direction;
}

export class Session implements SealSession {
  readonly id: string;
  readonly peer: string;
  #dead = false;
  readonly #sending: Lane;
  readonly #receiving: Lane;
  readonly #limits: SessionLimits;
  readonly #clock: () => number;
  #epochRecords = 0;
  #epochBytes = 0;
  #epochStart: number;

  constructor(init: SessionInit) {
    const { id, ratchet } = init.secrets;
    this.id = id.toString("base64url");
    this.peer = init.peer;
    this.#limits = { ...DEFAULT_LIMITS, ...init.limits };
    this.#clock = init.clock ?? (() => performance.now());
    this.#epochStart = this.#clock();
    const lane = (direction: Direction) =>
      new Lane({ id, direction, secret: ratchet[direction], lastEpoch: this.#limits.lastEpoch });
    this.#sending = lane(init.sends);
    this.#receiving = lane(init.receives);
  }

  get dead(): boolean {
    return this.#dead;
  }

  seal(parts: Uint8Array | readonly Uint8Array[], headroom = 0): Buffer {
    if (this.#dead) throw new SealError("dead");
    const list = parts instanceof Uint8Array ? [parts] : parts;
    const bytes = list.reduce((sum, part) => sum + part.length, 0);
    if (bytes > MAX_PLAINTEXT_BYTES) throw new SealError("too-large");
    try {
      return this.#seal(list, bytes, headroom);
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  open(record: Uint8Array): Uint8Array {
    if (this.#dead) throw new SealError("dead");
    try {
      return this.#open(record);
    } catch (cause) {
      this.close();
      throw cause instanceof SealError ? cause : new SealError("bad-record", { cause });
    }
  }

  close(): void {
    this.#dead = true;
    this.#sending.wipe();
    this.#receiving.wipe();
  }

  #seal(parts: readonly Uint8Array[], bytes: number, headroom: number): Buffer {
    const lane = this.#sending;
    if (this.#epochIsOver(bytes)) this.#startEpoch();
    const cipher = createCipheriv("aes-256-gcm", lane.key, lane.nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(lane.aad);
    const record = Buffer.allocUnsafe(headroom + HEADER_BYTES + bytes + TAG_BYTES);
    record.set(lane.header, headroom);
    let at = headroom + HEADER_BYTES;
    for (const part of parts) {
      record.set(cipher.update(part), at);
      at += part.length;
    }
    cipher.final();
    record.set(cipher.getAuthTag(), at);
    lane.advance();
    this.#epochRecords += 1;
    this.#epochBytes += bytes;
    return record;
  }

  #open(record: Uint8Array): Uint8Array {
    if (record.length < RECORD_OVERHEAD_BYTES) throw new SealError("bad-record");
    if (record.length > RECORD_OVERHEAD_BYTES + MAX_PLAINTEXT_BYTES) throw new SealError("bad-record");
    const lane = this.#receiving;
    const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
    // Only one step ahead, and never back: the old keys no longer exist.
    if (bytes.readUInt32BE(0) === lane.epoch + 1) lane.ratchet();
    // Equal to the one expected header: this is the guard against replay, reordering and dropped records.
    if (bytes.compare(lane.header, 0, HEADER_BYTES, 0, HEADER_BYTES) !== 0) throw new SealError("bad-order");
    const end = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", lane.key, lane.nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(lane.aad);
    decipher.setAuthTag(bytes.subarray(end));
    const plaintext = decipher.update(bytes.subarray(HEADER_BYTES, end));
    decipher.final(); // throws when the tag does not match; before this line the bytes are not data
    lane.advance();
    return plaintext;
  }

  #epochIsOver(nextBytes: number): boolean {
    if (this.#clock() - this.#epochStart >= this.#limits.milliseconds) return true;
    if (this.#epochRecords === 0) return false;
    return this.#epochRecords >= this.#limits.records || this.#epochBytes + nextBytes > this.#limits.bytes;
  }

  #startEpoch(): void {
    this.#sending.ratchet();
    this.#epochRecords = 0;
    this.#epochBytes = 0;
    this.#epochStart = this.#clock();
  }
}
