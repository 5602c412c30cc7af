import { createHash, createHmac, type KeyObject, randomBytes, timingSafeEqual } from "node:crypto";
import type { RecipientContext } from "hpke";
import { SealError } from "./error.ts";
import { decodeHello, encodeHello, HELLO_BYTES, type Hello, isSignedBy, NONCE_BYTES } from "./hello.ts";
import { importPrivateKey, importPublicKey } from "./import-key.ts";
import { deriveSession } from "./key-schedule.ts";
import { parsePublicKey } from "./keys.ts";
import { FRESH_MS, type SeenHellos } from "./seen-hellos.ts";
import { type SealSession, Session, type SessionOptions } from "./session.ts";
import { ENCAPSULATION_BYTES, label, suite, VERSION } from "./suite.ts";

const SEALED_AT = 1 + ENCAPSULATION_BYTES;
const CONFIRMATION_AT = SEALED_AT + NONCE_BYTES;
const CONFIRMATION_BYTES = 32;

/** version | encapsulation to the edge's ephemeral key | connector's nonce | confirmation (HMAC-SHA256) */
export const REPLY_BYTES = CONFIRMATION_AT + CONFIRMATION_BYTES;

export interface InitiateOptions extends SessionOptions {
  /** The connector's public key as text, enrolled at the edge out of band: whoever holds it is the peer. */
  recipient: string;
  /** This edge's name, and the connector instance's. 1 to 127 bytes of UTF-8. */
  edge: string;
  connector: string;
  /** Ed25519 private key of this edge. */
  signingKey: KeyObject;
  now: Date;
}

export interface Initiation {
  hello: Uint8Array;
  /**
   * Makes one session: two from one handshake would use the same keys and nonces twice. A reply that does not fit, such
   * as one to another hello, changes nothing.
   */
  finish(reply: Uint8Array): Promise<SealSession>;
}

/**
 * Edge side. The hello is sealed to the enrolled key, so only its holder learns who calls and can answer.
 * @throws SealError `bad-key`, `malformed` (a name too long); from `finish`: `bad-reply`, `dead`
 */
export async function initiate(opts: InitiateOptions): Promise<Initiation> {
  const recipient = await importPublicKey(parsePublicKey(opts.recipient).bytes);
  const ephemeral = await suite.GenerateKeyPair();
  const { encapsulatedSecret, ctx } = await suite.SetupSender(recipient, { info: label("hello") });
  const facts: Hello = {
    time: opts.now,
    nonce: randomBytes(NONCE_BYTES),
    edge: opts.edge,
    connector: opts.connector,
    ephemeralKey: await suite.SerializePublicKey(ephemeral.publicKey),
  };
  const body = encodeHello(facts, await ctx.Export(label("hello binding"), 32), opts.signingKey);
  const hello = Buffer.concat([Uint8Array.of(VERSION), encapsulatedSecret, await ctx.Seal(body)]);
  const fromHello = await ctx.Export(label("hello secret"), 32);

  let privateKey: typeof ephemeral.privateKey | undefined = ephemeral.privateKey;
  async function finish(reply: Uint8Array): Promise<SealSession> {
    if (!privateKey) throw new SealError("dead");
    if (reply.length !== REPLY_BYTES || reply[0] !== VERSION) throw new SealError("bad-reply");
    const fromReply = await openReply(privateKey, hello, reply);
    // A copy: what is derived from is wiped, and another reply may follow.
    const secrets = deriveSession({
      fromHello: fromHello.slice(),
      fromReply,
      transcript: transcript(hello, reply),
    });
    if (!timingSafeEqual(confirm(secrets.confirmation), reply.subarray(CONFIRMATION_AT))) {
      throw new SealError("bad-reply");
    }
    // Once more: the same reply, sent twice, may have been here while this one was opened.
    if (!privateKey) throw new SealError("dead");
    privateKey = undefined; // this is what keeps recorded traffic closed later
    fromHello.fill(0);
    return new Session({
      ...sessionOptions(opts),
      secrets,
      peer: opts.connector,
      sends: "edge to connector",
      receives: "connector to edge",
    });
  }
  return { hello, finish };
}

export interface RespondOptions extends SessionOptions {
  /** This connector's private key: the bytes of `readPrivateKeyText`. Several while it changes, newest first. */
  privateKey: Uint8Array | readonly Uint8Array[];
  /** This connector instance's name. */
  connector: string;
  /** Ed25519 public keys of the edges enrolled here. Several while an edge changes its own. */
  edgeKey(edge: string): KeyObject | readonly KeyObject[] | undefined;
  /** One memory for the life of the process, so that a replayed hello fails. */
  seen: SeenHellos;
  now: Date;
}

export interface Accepted {
  reply: Uint8Array;
  session: SealSession;
  edge: string;
  /** Which of the edge's keys it has shown. */
  edgeKey: KeyObject;
}

/**
 * Connector side. The checks go from cheap to dear, and nothing is remembered before the signature holds.
 * The edge has proven the session's keys only when its first record opens.
 * @throws SealError `malformed`, `not-for-us`, `wrong-connector`, `unknown-edge`, `bad-signature`, `stale`,
 * `replayed`, `busy`, `bad-key`
 */
export async function respond(hello: Uint8Array, opts: RespondOptions): Promise<Accepted> {
  const { facts, fromHello, edgeKey } = await openHello(hello, opts);
  const ephemeral = await importPublicKey(facts.ephemeralKey);
  const { encapsulatedSecret, ctx } = await encapsulate(ephemeral, hello);
  const reply = Buffer.alloc(REPLY_BYTES);
  reply[0] = VERSION;
  reply.set(encapsulatedSecret, 1);
  reply.set(randomBytes(NONCE_BYTES), SEALED_AT);
  const fromReply = await ctx.Export(label("reply secret"), 32);
  const secrets = deriveSession({ fromHello, fromReply, transcript: transcript(hello, reply) });
  reply.set(confirm(secrets.confirmation), CONFIRMATION_AT);
  const session = new Session({
    ...sessionOptions(opts),
    secrets,
    peer: facts.edge,
    sends: "connector to edge",
    receives: "edge to connector",
  });
  return { reply, session, edge: facts.edge, edgeKey };
}

async function openHello(
  hello: Uint8Array,
  opts: RespondOptions,
): Promise<{ facts: Hello; fromHello: Uint8Array; edgeKey: KeyObject }> {
  if (hello.length !== HELLO_BYTES || hello[0] !== VERSION) throw new SealError("malformed");
  const { ctx, body } = await unseal(hello, [opts.privateKey].flat());
  const facts = decodeHello(body);
  if (facts.connector !== opts.connector) throw new SealError("wrong-connector");
  const edgeKeys = [opts.edgeKey(facts.edge) ?? []].flat();
  if (edgeKeys.length === 0) throw new SealError("unknown-edge");
  const binding = await ctx.Export(label("hello binding"), 32);
  const edgeKey = edgeKeys.find((key) => isSignedBy(body, binding, key));
  if (edgeKey === undefined) throw new SealError("bad-signature");
  if (Math.abs(opts.now.getTime() - facts.time.getTime()) > FRESH_MS) throw new SealError("stale");
  admit(facts, opts);
  return { facts, edgeKey, fromHello: await ctx.Export(label("hello secret"), 32) };
}

async function unseal(
  hello: Uint8Array,
  privateKeys: readonly Uint8Array[],
): Promise<{ ctx: RecipientContext; body: Buffer }> {
  let cause: unknown;
  for (const bytes of privateKeys) {
    const privateKey = await importPrivateKey(bytes);
    try {
      const ctx = await suite.SetupRecipient(privateKey, hello.subarray(1, SEALED_AT), {
        info: label("hello"),
      });
      return { ctx, body: Buffer.from(await ctx.Open(hello.subarray(SEALED_AT))) };
    } catch (error) {
      cause = error;
    }
  }
  throw new SealError("not-for-us", { cause });
}

function admit(facts: Hello, { seen, now }: RespondOptions): void {
  const key = `${Buffer.from(facts.nonce).toString("base64url")} ${facts.edge}`;
  const verdict = seen.admit(key, facts.time, now);
  if (verdict === "replayed") throw new SealError("replayed");
  if (verdict === "full") throw new SealError("busy");
}

async function encapsulate(ephemeral: Parameters<typeof suite.SetupSender>[0], hello: Uint8Array) {
  try {
    return await suite.SetupSender(ephemeral, { info: replyInfo(hello) });
  } catch (cause) {
    throw new SealError("bad-key", { cause });
  }
}

async function openReply(
  key: Parameters<typeof suite.SetupRecipient>[0],
  hello: Uint8Array,
  reply: Uint8Array,
) {
  try {
    const ctx = await suite.SetupRecipient(key, reply.subarray(1, SEALED_AT), { info: replyInfo(hello) });
    return await ctx.Export(label("reply secret"), 32);
  } catch (cause) {
    throw new SealError("bad-reply", { cause });
  }
}

function replyInfo(hello: Uint8Array): Buffer {
  return Buffer.concat([label("reply"), createHash("sha256").update(hello).digest()]);
}

/** Both messages have one fixed size, so their concatenation has one reading. */
function transcript(hello: Uint8Array, reply: Uint8Array): Buffer {
  return createHash("sha256").update(hello).update(reply.subarray(0, CONFIRMATION_AT)).digest();
}

/** The key is derived from the transcript, so it is the message too. */
function confirm(key: Buffer): Buffer {
  return createHmac("sha256", key).update(label("reply confirmation")).digest();
}

function sessionOptions({ limits, clock }: SessionOptions): SessionOptions {
  return { ...(limits && { limits }), ...(clock && { clock }) };
}
