/**
 * What one message of the exchange road holds: kind u8 · seal session 16 bytes (records and resets) · the rest.
 * A hello and its answer are protected by themselves; a record is an AEAD unit of the session that it names. A reset is
 * an unprotected hint, "I do not know that session": whoever can forge it could as well drop every message.
 */
export type RoadMessage =
  | { kind: "hello"; bytes: Uint8Array }
  | { kind: "welcome"; bytes: Uint8Array }
  | { kind: "record"; session: string; bytes: Uint8Array }
  | { kind: "reset"; session: string };

const kinds = ["hello", "welcome", "record", "reset"] as const;
const sessionBytes = 16;

/** What a sealed record leaves free in front, so that its envelope is written and nothing is copied. */
export const recordHeadroomBytes = 1 + sessionBytes;

/** Writes the envelope into the headroom of a sealed record, which is then the message. */
export function encodeRecord(session: string, sealed: Buffer): Buffer {
  sealed[0] = kinds.indexOf("record") + 1;
  sealed.set(sessionOf(session), 1);
  return sealed;
}

export function encodeRoadMessage(message: Exclude<RoadMessage, { kind: "record" }>): Buffer {
  const kind = Buffer.of(kinds.indexOf(message.kind) + 1);
  return Buffer.concat([kind, message.kind === "reset" ? sessionOf(message.session) : message.bytes]);
}

/** Undefined for anything that is not a road message. */
export function decodeRoadMessage(bytes: Uint8Array): RoadMessage | undefined {
  const kind = kinds[(bytes[0] ?? 0) - 1];
  const rest = bytes.subarray(1);
  if (kind === undefined) return undefined;
  if (kind === "hello" || kind === "welcome") return { kind, bytes: rest };
  if (rest.length < sessionBytes) return undefined;
  const session = Buffer.from(rest.buffer, rest.byteOffset, sessionBytes).toString("base64url");
  return kind === "record" ? { kind, session, bytes: rest.subarray(sessionBytes) } : { kind, session };
}

function sessionOf(session: string): Buffer {
  const bytes = Buffer.from(session, "base64url");
  if (bytes.length !== sessionBytes) throw new TypeError("a seal session's name has 16 bytes");
  return bytes;
}
