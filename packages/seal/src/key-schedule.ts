import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { label } from "./suite.ts";

export type Direction = "edge to connector" | "connector to edge";

export interface HandshakeSecrets {
  /** Exported from the hello: only the holder of the connector's enrolled key can know it. */
  readonly fromHello: Uint8Array;
  /** Exported from the reply: only the holder of the edge's ephemeral key can know it. */
  readonly fromReply: Uint8Array;
  /** SHA-256 over hello and reply: both sides saw the same bytes, or they get different keys. */
  readonly transcript: Uint8Array;
}

export interface SessionSecrets {
  /** 16 bytes, not secret. */
  readonly id: Buffer;
  /** Key for the proof, at the end of the reply, that the connector has the same secrets. */
  readonly confirmation: Buffer;
  /** First secret of each direction's ratchet. */
  readonly ratchet: Readonly<Record<Direction, Buffer>>;
}

export function deriveSession(secrets: HandshakeSecrets): SessionSecrets {
  const secret = Buffer.concat([secrets.fromHello, secrets.fromReply]);
  const derive = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync("sha256", secret, secrets.transcript, label(purpose), bytes));
  const session = {
    id: derive("session id", 16),
    confirmation: derive("confirmation", 32),
    ratchet: {
      "edge to connector": derive("edge to connector", 32),
      "connector to edge": derive("connector to edge", 32),
    },
  };
  for (const used of [secret, secrets.fromHello, secrets.fromReply]) used.fill(0);
  return session;
}

export interface EpochKeys {
  readonly key: KeyObject;
  readonly iv: Buffer;
  /** Secret of the following epoch. */
  readonly next: Buffer;
}

/**
 * One turn of the ratchet. It turns one way only: `secret` is wiped here, and neither it nor the keys before
 * it can be computed from what is left. (The KeyObject's own copy is cleared by OpenSSL when it is freed.)
 */
export function deriveEpoch(secret: Buffer): EpochKeys {
  const derive = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), label(purpose), bytes));
  const raw = derive("epoch key", 32);
  const keys = { key: createSecretKey(raw), iv: derive("epoch iv", 12), next: derive("next epoch", 32) };
  raw.fill(0);
  secret.fill(0);
  return keys;
}
