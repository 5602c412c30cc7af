import { type KeyObject, sign, verify } from "node:crypto";
import { SealError } from "./error.ts";
import { ENCAPSULATION_BYTES, label, PUBLIC_KEY_BYTES, TAG_BYTES } from "./suite.ts";

/**
 * What an edge says when it opens a session, inside of the sealed part of the hello. Every field has a fixed
 * place, so hellos have one size: nothing about the edge shows on the wire, not even the length of its name.
 *
 *     time u64 ms | nonce 32 | edge 128 | connector 128 | ephemeral public key | Ed25519 signature 64
 */
export interface Hello {
  readonly time: Date;
  readonly nonce: Uint8Array;
  readonly edge: string;
  readonly connector: string;
  readonly ephemeralKey: Uint8Array;
}

export const NONCE_BYTES = 32;
const NAME_BYTES = 128;
const SIGNATURE_BYTES = 64;
const EDGE_AT = 8 + NONCE_BYTES;
const CONNECTOR_AT = EDGE_AT + NAME_BYTES;
const KEY_AT = CONNECTOR_AT + NAME_BYTES;
const SIGNATURE_AT = KEY_AT + PUBLIC_KEY_BYTES;
const BODY_BYTES = SIGNATURE_AT + SIGNATURE_BYTES;

/** Whole hello on the wire: version, encapsulation, sealed body. */
export const HELLO_BYTES = 1 + ENCAPSULATION_BYTES + BODY_BYTES + TAG_BYTES;

/**
 * `binding` comes from the HPKE exporter of this very hello. With it under the signature, a connector that
 * received a hello cannot seal its content again for another connector: that would have another binding.
 */
export function encodeHello(hello: Hello, binding: Uint8Array, signingKey: KeyObject): Buffer {
  requireEd25519(signingKey);
  const body = Buffer.alloc(BODY_BYTES);
  body.writeBigUInt64BE(BigInt(hello.time.getTime()), 0);
  body.set(hello.nonce, 8);
  writeName(body, EDGE_AT, hello.edge);
  writeName(body, CONNECTOR_AT, hello.connector);
  body.set(hello.ephemeralKey, KEY_AT);
  body.set(sign(null, signedPart(body, binding), signingKey), SIGNATURE_AT);
  return body;
}

/** Layout only; {@link isSignedBy} says whether it is true. @throws SealError `malformed` */
export function decodeHello(body: Buffer): Hello {
  if (body.length !== BODY_BYTES) throw new SealError("malformed");
  const time = new Date(Number(body.readBigUInt64BE(0)));
  if (Number.isNaN(time.getTime())) throw new SealError("malformed");
  return {
    time,
    nonce: body.subarray(8, EDGE_AT),
    edge: readName(body, EDGE_AT),
    connector: readName(body, CONNECTOR_AT),
    ephemeralKey: body.subarray(KEY_AT, SIGNATURE_AT),
  };
}

export function isSignedBy(body: Buffer, binding: Uint8Array, edgeKey: KeyObject): boolean {
  requireEd25519(edgeKey);
  return verify(null, signedPart(body, binding), edgeKey, body.subarray(SIGNATURE_AT));
}

function signedPart(body: Buffer, binding: Uint8Array): Buffer {
  return Buffer.concat([label("hello signature"), binding, body.subarray(0, SIGNATURE_AT)]);
}

/** `sign(null, …)` would take an RSA or EC key too, with a digest of the library's choice. */
function requireEd25519(key: KeyObject): void {
  if (key.asymmetricKeyType !== "ed25519") throw new SealError("bad-key");
}

function writeName(body: Buffer, at: number, name: string): void {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length === 0 || bytes.length >= NAME_BYTES || !name.isWellFormed())
    throw new SealError("malformed");
  body.writeUInt8(bytes.length, at);
  body.set(bytes, at + 1);
}

function readName(body: Buffer, at: number): string {
  const end = at + NAME_BYTES;
  const length = body.readUInt8(at);
  const padding = body.subarray(at + 1 + length, end);
  if (length === 0 || length >= NAME_BYTES || padding.some((byte) => byte !== 0))
    throw new SealError("malformed");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      body.subarray(at + 1, at + 1 + length),
    );
  } catch {
    throw new SealError("malformed");
  }
}
