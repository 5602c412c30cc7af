import { generateKeyPairSync } from "node:crypto";
import { initiate, respond } from "./handshake.ts";
import { generateRecipientKey } from "./keys.ts";
import { type SeenHellos, seenHellos } from "./seen-hellos.ts";
import type { SealSession, SessionOptions } from "./session.ts";

/** Real keys of one edge and one connector, made once per test file. */
export const edgeKeys = generateKeyPairSync("ed25519");
export const connectorKeys = await generateRecipientKey();
export const NOW = new Date("2026-11-24T12:00:00Z");

export function startHandshake(changes: Partial<Parameters<typeof initiate>[0]> = {}) {
  return initiate({
    recipient: connectorKeys.publicKey,
    edge: "e1",
    connector: "acme.c1",
    signingKey: edgeKeys.privateKey,
    now: NOW,
    ...changes,
  });
}

export function answer(hello: Uint8Array, changes: Partial<Parameters<typeof respond>[1]> = {}) {
  return respond(hello, {
    privateKey: connectorKeys.privateKey,
    connector: "acme.c1",
    edgeKey: (edge) => (edge === "e1" ? edgeKeys.publicKey : undefined),
    seen: seenHellos(),
    now: NOW,
    ...changes,
  });
}

export interface Pair {
  edge: SealSession;
  connector: SealSession;
  hello: Uint8Array;
  reply: Uint8Array;
}

export async function openPair(options: SessionOptions & { seen?: SeenHellos } = {}): Promise<Pair> {
  const { seen = seenHellos(), ...session } = options;
  const { hello, finish } = await startHandshake(session);
  const accepted = await answer(hello, { ...session, seen });
  return { edge: await finish(accepted.reply), connector: accepted.session, hello, reply: accepted.reply };
}

/** A copy with one bit changed: what somebody on the way can do to any message. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const at = bit >> 3;
  changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
  return changed;
}
