import type { Key } from "hpke";
import { SealError } from "./error.ts";
import { suite } from "./suite.ts";

/** Bytes to a key that HPKE can use. @throws SealError `bad-key` (also for points outside of the group) */
export async function importPublicKey(bytes: Uint8Array): Promise<Key> {
  try {
    return await suite.DeserializePublicKey(bytes);
  } catch (cause) {
    throw new SealError("bad-key", { cause });
  }
}

export async function importPrivateKey(bytes: Uint8Array): Promise<Key> {
  try {
    return await suite.DeserializePrivateKey(bytes);
  } catch {
    // No cause: an error about a private key must not carry anything derived from it.
    throw new SealError("bad-key");
  }
}
