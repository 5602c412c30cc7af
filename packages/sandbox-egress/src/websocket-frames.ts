import { randomBytes } from "node:crypto";
import { Transform, type TransformCallback } from "node:stream";
import type { BodyKind, ScrubStream } from "@sallyport/scrub";

export interface FrameOptions {
  /** A client's frames are masked, a server's are not (RFC 6455, section 5.1). */
  readonly masked: boolean;
  /** What of a message's payload may leave. Asked for each message. */
  readonly look: (kind: BodyKind) => ScrubStream;
  /** Why nothing goes on once something was found; without it what was found has been replaced. */
  readonly found?: (() => Error) | undefined;
}

const TEXT = 1;
const CLOSE = 8;
const MOST_CONTROL_BYTES = 125;

class BrokenFrame extends Error {
  override readonly name = "BrokenFrame";
}

interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly mask: Uint8Array | undefined;
  readonly length: number;
}

/**
 * Reads WebSocket frames without extensions strictly, and writes them anew with what of their payload may leave. A
 * secret in two frames of one message is found as if it were in one. Since no extension is agreed on, frames may be cut
 * otherwise than they came (RFC 6455, section 5.4).
 */
export class FrameRelay extends Transform {
  readonly #options: FrameOptions;
  #head: Buffer = Buffer.alloc(0);
  #frame: Frame | undefined;
  #left = 0;
  #control: Buffer[] = [];
  #message: { readonly stream: ScrubStream; opcode: number } | undefined;
  #closed = false;

  constructor(options: FrameOptions) {
    super();
    this.#options = options;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      for (let rest = chunk; rest.length > 0; ) rest = this.#frame ? this.#payload(rest) : this.#header(rest);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  #header(bytes: Buffer): Buffer {
    if (this.#closed) throw new BrokenFrame("something follows the close");
    const seen = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const read = readHeader(seen, this.#options.masked);
    if (read === undefined) {
      this.#head = Buffer.from(seen); // at most 13 bytes
      return Buffer.alloc(0);
    }
    this.#head = Buffer.alloc(0);
    const { frame, size } = read;
    this.#begin(frame);
    return seen.subarray(size);
  }

  #begin(frame: Frame): void {
    if (frame.opcode < CLOSE) {
      if ((frame.opcode === 0) !== (this.#message !== undefined))
        throw new BrokenFrame("a message begins within another, or nowhere");
      const kind = frame.opcode === TEXT ? "json" : "text";
      this.#message ??= { stream: this.#options.look(kind), opcode: frame.opcode };
    }
    this.#frame = frame;
    this.#left = frame.length;
    if (frame.length === 0) this.#part(frame, Buffer.alloc(0));
  }

  #payload(bytes: Buffer): Buffer {
    const frame = this.#frame;
    if (frame === undefined) return bytes;
    const piece = bytes.subarray(0, this.#left);
    const offset = frame.length - this.#left;
    this.#left -= piece.length;
    this.#part(frame, frame.mask === undefined ? piece : masked(piece, frame.mask, offset));
    return bytes.subarray(piece.length);
  }

  #part(frame: Frame, piece: Buffer): void {
    const last = this.#left === 0;
    if (last) this.#frame = undefined;
    if (frame.opcode >= CLOSE) {
      this.#control.push(piece);
      if (last) this.#endControl(frame.opcode);
      return;
    }
    const message = this.#message;
    if (message === undefined) return;
    const { stream } = message;
    const final = last && frame.final;
    const out = final ? Buffer.concat([stream.push(piece), stream.end()]) : stream.push(piece);
    this.#stopAt(stream);
    if (final) this.#message = undefined;
    if (out.length === 0 && !final) return;
    this.#write(message.opcode, out, final);
    message.opcode = 0;
  }

  #endControl(opcode: number): void {
    const payload = Buffer.concat(this.#control);
    this.#control = [];
    const stream = this.#options.look("text");
    stream.push(payload);
    stream.end();
    this.#stopAt(stream);
    // Its length is bounded: what held a secret is left out. Of a close, the code stays.
    const kept = stream.found === 0 ? payload : payload.subarray(0, opcode === CLOSE ? 2 : 0);
    this.#write(opcode, kept, true);
    this.#closed = opcode === CLOSE;
  }

  #stopAt({ found }: ScrubStream): void {
    if (found > 0 && this.#options.found !== undefined) throw this.#options.found();
  }

  #write(opcode: number, payload: Uint8Array, final: boolean): void {
    this.push(frameOf(opcode, payload, { final, mask: this.#options.masked ? randomBytes(4) : undefined }));
  }
}

/** What a server says before it ends a connection by its own will (section 7.4.1: 1008, policy violation). */
export function policyClose(reason: string): Buffer {
  const text = Buffer.from(reason.replace(/[^\x20-\x7e]/g, "?")).subarray(0, MOST_CONTROL_BYTES - 2);
  return frameOf(CLOSE, Buffer.concat([Buffer.from([1008 >> 8, 1008 & 255]), text]), { final: true });
}

function readHeader(bytes: Buffer, isMasked: boolean): { frame: Frame; size: number } | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const opcode = first & 15;
  const final = (first & 128) !== 0;
  const short = second & 127;
  if ((first & 0x70) !== 0) throw new BrokenFrame("it uses an extension");
  if (((second & 128) !== 0) !== isMasked) throw new BrokenFrame("its mask is that of the other side");
  if (![0, 1, 2, 8, 9, 10].includes(opcode)) throw new BrokenFrame("its opcode is unknown");
  if (opcode >= CLOSE && (!final || short > MOST_CONTROL_BYTES))
    throw new BrokenFrame("a control frame is short and in one piece");
  const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
  const size = 2 + wide + (isMasked ? 4 : 0);
  if (bytes.length < size) return undefined;
  const length = wide === 0 ? short : wide === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  // One way to write a length (section 5.2): of two, a second reader might know one.
  const least = wide === 2 ? 126 : wide === 8 ? 65_536 : 0;
  if (length < least || !Number.isSafeInteger(length))
    throw new BrokenFrame("its length is not in shortest form");
  const mask = isMasked ? Uint8Array.from(bytes.subarray(size - 4, size)) : undefined;
  return { frame: { final, opcode, mask, length }, size };
}

function frameOf(
  opcode: number,
  payload: Uint8Array,
  { final, mask }: { final: boolean; mask?: Buffer | undefined },
): Buffer {
  const { length } = payload;
  const wide = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + wide);
  head[0] = (final ? 128 : 0) | opcode;
  head[1] = (mask === undefined ? 0 : 128) | (wide === 0 ? length : wide === 2 ? 126 : 127);
  if (wide === 2) head.writeUInt16BE(length, 2);
  if (wide === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (mask === undefined) return Buffer.concat([head, payload]);
  return Buffer.concat([head, mask, masked(payload, mask, 0)]);
}

/** A copy; again, what it was. */
function masked(bytes: Uint8Array, mask: Uint8Array, offset: number): Buffer {
  const out = Buffer.from(bytes);
  for (let at = 0; at < out.length; at += 1) out[at] = (out[at] ?? 0) ^ (mask[(offset + at) & 3] ?? 0);
  return out;
}
