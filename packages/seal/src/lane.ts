import type { KeyObject } from "node:crypto";
import { SealError } from "./error.ts";
import { type Direction, deriveEpoch, type EpochKeys } from "./key-schedule.ts";

/** epoch u32, sequence number u64 */
export const HEADER_BYTES = 12;
const SESSION_ID_BYTES = 16;
const HEADER_AT = SESSION_ID_BYTES + 1;
const TWO_TO_32 = 2 ** 32;

/**
 * One direction of a session: which keys, and which record comes next. Both ends hold one and move in step.
 * Sequence numbers run on through all epochs, so a record has exactly one place in the session's life.
 *
 * The buffers are made once and rewritten for each record: node:crypto reads them before it returns.
 */
export class Lane {
  /** session id 16 | direction 1 | epoch 4 | seq 8: the additional authenticated data of the next record */
  readonly aad: Buffer;
  /** The header of the next record: the tail of {@link aad}. */
  readonly header: Buffer;
  /** For the next record, by {@link writeNonce}. */
  readonly nonce = Buffer.alloc(12);
  epoch = 0;
  #seq = 0;
  #keys: EpochKeys | undefined;
  readonly #lastEpoch: number;

  constructor(init: { id: Buffer; direction: Direction; secret: Buffer; lastEpoch: number }) {
    this.aad = Buffer.alloc(HEADER_AT + HEADER_BYTES);
    this.aad.set(init.id, 0);
    this.aad[SESSION_ID_BYTES] = init.direction === "edge to connector" ? 1 : 2;
    this.header = this.aad.subarray(HEADER_AT);
    this.#lastEpoch = init.lastEpoch;
    this.#keys = deriveEpoch(init.secret);
    this.#aim(this.#keys.iv);
  }

  get key(): KeyObject {
    return this.#live().key;
  }

  /** The record was sealed or opened: aim at the following one. */
  advance(): void {
    // Not reachable by counting (2^53 records); a nonce must not repeat even so.
    if (this.#seq >= Number.MAX_SAFE_INTEGER) throw new SealError("exhausted");
    this.#seq += 1;
    this.#aim(this.#live().iv);
  }

  /** Go to the next epoch; the keys of this one are gone. @throws SealError `exhausted` */
  ratchet(): void {
    if (this.epoch >= this.#lastEpoch) throw new SealError("exhausted");
    const old = this.#live();
    this.#keys = deriveEpoch(old.next);
    old.iv.fill(0);
    this.epoch += 1;
    this.#aim(this.#keys.iv);
  }

  wipe(): void {
    this.#keys?.iv.fill(0);
    this.#keys?.next.fill(0);
    this.#keys = undefined;
    this.nonce.fill(0);
  }

  #live(): EpochKeys {
    if (!this.#keys) throw new SealError("dead");
    return this.#keys;
  }

  #aim(iv: Buffer): void {
    this.header.writeUInt32BE(this.epoch, 0);
    this.header.writeUInt32BE(Math.floor(this.#seq / TWO_TO_32), 4);
    this.header.writeUInt32BE(this.#seq % TWO_TO_32, 8);
    writeNonce(this.nonce, iv, this.#seq);
  }
}

/**
 * The IV of the epoch, xor the sequence number (as TLS 1.3, RFC 8446 section 5.3): never the same twice under
 * one key. With a repeated nonce AES-GCM gives away both plaintexts and the power to forge.
 */
export function writeNonce(nonce: Buffer, iv: Buffer, seq: number): void {
  nonce.writeUInt32BE(iv.readUInt32BE(0), 0);
  nonce.writeUInt32BE((iv.readUInt32BE(4) ^ Math.floor(seq / TWO_TO_32)) >>> 0, 4);
  nonce.writeUInt32BE((iv.readUInt32BE(8) ^ (seq % TWO_TO_32)) >>> 0, 8);
}
