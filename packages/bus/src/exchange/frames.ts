/**
 * The frames of an exchange. A record (one AEAD unit, one NATS message) holds one or more of them:
 * type u8 · flags u8 · exchange u32 · length u32 · payload, all big-endian.
 */
export const FrameType = {
  /** Caller → server: JSON head of the exchange. */
  open: 1,
  /** Server → caller: JSON head of the reply. */
  head: 2,
  /** Either way: body bytes. */
  data: 3,
  /** Receiver of data → sender: u32, so many more bytes may be sent. */
  credit: 4,
  /** Caller → server: the caller has lost interest. */
  cancel: 5,
  /** Server → caller: JSON { code, message }; ends the exchange. */
  error: 6,
  /** Either way, exchange 0: JSON for the application. */
  control: 7,
  /** Either way, exchange 0: still here. */
  ping: 8,
  /** Server → caller: bytes of a question that the server has in the course of the exchange. One at a time. */
  ask: 9,
  /** Caller → server: bytes of the answer. */
  answer: 10,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

const END = 1;

export interface Frame {
  type: FrameType;
  /** No more data follows in this direction. */
  end: boolean;
  exchange: number;
  payload: Uint8Array;
}

export class FrameError extends Error {
  override readonly name = "FrameError";
}

export const frameHeaderBytes = 10;
const highestType = 10;
const nothing = new Uint8Array(0);

export function frame(type: FrameType, exchange: number, payload: Uint8Array = nothing, end = false): Frame {
  return { type, exchange, payload, end };
}

/** A payload of at least so many bytes is a part of its own: encrypting it where it is costs less than a copy. */
const ownPartBytes = 4 * 1024;

/** The frames as the parts of a record, in order: small ones together in one buffer, large payloads as they are. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array[] {
  let copied = 0;
  for (const { payload } of frames)
    copied += frameHeaderBytes + (payload.length < ownPartBytes ? payload.length : 0);
  const out = Buffer.allocUnsafe(copied);
  const parts: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  for (const { type, end, exchange, payload } of frames) {
    out[at] = type;
    out[at + 1] = end ? END : 0;
    out.writeUInt32BE(exchange, at + 2);
    out.writeUInt32BE(payload.length, at + 6);
    at += frameHeaderBytes;
    if (payload.length < ownPartBytes) {
      out.set(payload, at);
      at += payload.length;
    } else {
      parts.push(out.subarray(from, at), payload);
      from = at;
    }
  }
  if (at > from) parts.push(out.subarray(from, at));
  return parts;
}

/** Reads a record's frames; their payloads are views of it. Throws FrameError for anything malformed. */
export function decodeFrames(record: Uint8Array): Frame[] {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < frameHeaderBytes) throw new FrameError("a frame is cut short");
    const type = bytes[at] as number;
    const flags = bytes[at + 1] as number;
    const length = bytes.readUInt32BE(at + 6);
    if (type < 1 || type > highestType || flags > END) throw new FrameError("a frame of an unknown kind");
    if (length > bytes.length - at - frameHeaderBytes)
      throw new FrameError("a frame claims more bytes than there are");
    const start = at + frameHeaderBytes;
    frames.push({
      type: type as FrameType,
      end: flags === END,
      exchange: bytes.readUInt32BE(at + 2),
      payload: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return frames;
}
