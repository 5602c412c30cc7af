/**
 * Sealing: what the relay carries, it cannot read, forge, replay or re-route.
 *
 * An edge opens a *session* with a connector whose public key was enrolled at the edge beforehand: one hello,
 * one reply (HPKE both ways, ML-KEM-768 with X25519), and the edge's Ed25519 signature inside of the hello.
 *
 *     edge:       const { hello, finish } = await initiate({ recipient, edge, connector, signingKey, now });
 *     connector:  const { reply, session, edge } = await respond(hello, { privateKey, connector, edgeKey, seen, now });
 *     edge:       const session = await finish(reply);
 *
 * From then on each side seals *records* (AES-256-GCM, synchronous, a few microseconds). They open once, in
 * order, in their session and direction; anything else ends the session. Keys move forward by a one-way
 * ratchet, so neither today's keys nor the connector's long-term key open what was recorded before.
 *
 * A *box* seals one credential to one key for one purpose.
 *
 * Holding a session proves who the peer is. It grants nothing: that is what `@sallyport/grant` is for.
 */
export { type BoxPurpose, boxInfo, MAX_BOX_PLAINTEXT_BYTES, openBox, sealBox } from "./src/box.ts";
export { Enrolment, type Enrolments, openEnrolments, readEnrolment } from "./src/enrolments.ts";
export { SealError, type SealErrorCode } from "./src/error.ts";
export {
  type Accepted,
  type InitiateOptions,
  type Initiation,
  initiate,
  REPLY_BYTES,
  type RespondOptions,
  respond,
} from "./src/handshake.ts";
export { HELLO_BYTES } from "./src/hello.ts";
export {
  fingerprint,
  generateRecipientKey,
  type PublicKey,
  parsePublicKey,
  privateKeyText,
  type RecipientKeyPair,
  readPrivateKeys,
  readPrivateKeyText,
} from "./src/keys.ts";
export { type SeenHellos, seenHellos } from "./src/seen-hellos.ts";
export {
  MAX_PLAINTEXT_BYTES,
  RECORD_OVERHEAD_BYTES,
  type SealSession,
  type SessionLimits,
  type SessionOptions,
} from "./src/session.ts";
