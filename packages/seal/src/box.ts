import { SealError } from "./error.ts";
import { importPrivateKey, importPublicKey } from "./import-key.ts";
import { parsePublicKey } from "./keys.ts";
import { ENCAPSULATION_BYTES, label, suite, TAG_BYTES, VERSION } from "./suite.ts";

/** What a box may carry, in bytes: a credential, at most a certificate chain with its key. */
export const MAX_BOX_PLAINTEXT_BYTES = 64 * 1024;
const SEALED_AT = 1 + ENCAPSULATION_BYTES;

/** What a credential's box is for. A box opens for exactly this, and for nothing else. */
export interface BoxPurpose {
  lease: string;
  connector: string;
  session: string;
  server: string;
  credential: string;
}

/** The purpose as an `info` text. JSON, so that no two purposes run together into one text. */
export function boxInfo({ lease, connector, session, server, credential }: BoxPurpose): string {
  return JSON.stringify([lease, connector, session, server, credential]);
}

/**
 * Seal bytes to a public key: version | encapsulation | ciphertext with tag (HPKE base mode, single shot,
 * RFC 9180 section 6.1). Anybody can make a box, so a box proves nothing about its sender: take boxes only from
 * a channel that does. `info` does not travel; the recipient must come to the same text by itself.
 * @throws SealError `bad-key`, `too-large`
 */
export async function sealBox(recipient: string, plaintext: Uint8Array, info: string): Promise<Uint8Array> {
  if (plaintext.length > MAX_BOX_PLAINTEXT_BYTES) throw new SealError("too-large");
  const key = await importPublicKey(parsePublicKey(recipient).bytes);
  let sealed: Awaited<ReturnType<typeof suite.Seal>>;
  try {
    sealed = await suite.Seal(key, plaintext, { info: boxLabel(info) });
  } catch (cause) {
    throw new SealError("bad-key", { cause });
  }
  return Buffer.concat([Uint8Array.of(VERSION), sealed.encapsulatedSecret, sealed.ciphertext]);
}

/** @throws SealError `bad-box` for any change, another key or another `info`; `bad-key` */
export async function openBox(
  privateKey: Uint8Array | readonly Uint8Array[],
  box: Uint8Array,
  info: string,
): Promise<Uint8Array> {
  const [newest, ...older] = [privateKey].flat();
  if (newest === undefined) throw new SealError("bad-key");
  const opening = openWith(newest, box, info);
  return await older.reduce((before, key) => before.catch(() => openWith(key, box, info)), opening);
}

async function openWith(privateKey: Uint8Array, box: Uint8Array, info: string): Promise<Uint8Array> {
  const key = await importPrivateKey(privateKey);
  const sealedBytes = box.length - SEALED_AT;
  if (box[0] !== VERSION || sealedBytes < TAG_BYTES) throw new SealError("bad-box");
  if (sealedBytes > MAX_BOX_PLAINTEXT_BYTES + TAG_BYTES) throw new SealError("bad-box");
  try {
    return await suite.Open(key, box.subarray(1, SEALED_AT), box.subarray(SEALED_AT), {
      info: boxLabel(info),
    });
  } catch (cause) {
    throw new SealError("bad-box", { cause });
  }
}

function boxLabel(info: string): Buffer {
  return Buffer.concat([label("box"), Buffer.from(info, "utf8")]);
}
