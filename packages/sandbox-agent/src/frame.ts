/**
 * Frames between the client and the agent: u32be length of what follows (at most 1 MiB), u8 type, u32be id,
 * payload. The types are told in `agent/agent.c`.
 */
export const maxFrameBytes = 1_048_576;
const afterLength = 5;

export const toAgent = { ping: 1, exec: 2, stdin: 3, credit: 4, signal: 5, resize: 6 } as const;
export const fromAgent = {
  pong: 0x81,
  started: 0x82,
  output: 0x83,
  exit: 0x84,
  stdinCredit: 0x85,
  notStarted: 0x86,
} as const;

export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** The peer broke the protocol. The message names the rule, never what the peer sent. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

export function encodeFrame({ type, id, payload }: Frame): Buffer {
  const length = afterLength + payload.length;
  if (length > maxFrameBytes) throw new FrameError(`a frame of ${length} bytes is over ${maxFrameBytes}`);
  const head = Buffer.alloc(9);
  head.writeUInt32BE(length, 0);
  head.writeUInt8(type, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/**
 * Cuts a byte stream into frames. It holds at most one unfinished frame; a length that is over the limit is
 * refused when its four bytes are there, before anything is kept for it (attack 37).
 */
export class FrameReader {
  readonly #pieces: Buffer[] = [];
  #held = 0;

  /** Frames that `chunk` completes. Throws FrameError. */
  push(chunk: Buffer): Frame[] {
    this.#pieces.push(chunk);
    this.#held += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      if (this.#held < 4) return frames;
      const length = this.#joined(4).readUInt32BE(0);
      if (length < afterLength || length > maxFrameBytes)
        throw new FrameError("a frame's length is out of bounds");
      if (this.#held < 4 + length) return frames;
      const whole = this.#joined(4 + length);
      frames.push({
        type: whole.readUInt8(4),
        id: whole.readUInt32BE(5),
        payload: whole.subarray(9, 4 + length),
      });
      this.#held -= 4 + length;
      this.#pieces[0] = whole.subarray(4 + length);
    }
  }

  /** The first piece, made at least so long. Pieces are joined once per frame, not once per chunk. */
  #joined(bytes: number): Buffer {
    const first = this.#pieces[0] ?? Buffer.alloc(0);
    if (first.length >= bytes) return first;
    const all = Buffer.concat(this.#pieces);
    this.#pieces.splice(0, this.#pieces.length, all);
    return all;
  }
}

/** A string as the agent reads it: u32be length and bytes. A NUL is refused here, for the agent would end. */
export function encodeString(text: string): Buffer {
  if (text.includes("\0")) throw new RangeError("a NUL cannot be part of an argument, a path or a variable");
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

export function encodeStrings(list: readonly string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(list.length);
  return Buffer.concat([count, ...list.map(encodeString)]);
}
