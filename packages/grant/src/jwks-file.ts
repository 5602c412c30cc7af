import { open } from "node:fs/promises";
import { TokenError } from "./error.ts";
import { type KeySet, type KeySource, MAX_JWKS_BYTES, parseKeySet } from "./key-source.ts";

/**
 * Keys from a file, read again when it changes. Replace it by renaming another over it: while it is missing or
 * not readable as a JWK Set, tokens are refused, since keys that were taken out must not stay in force.
 */
export function jwksFromFile(path: string): KeySource {
  let held: { keys: KeySet; version: string } | undefined;

  async function current(): Promise<KeySet> {
    const file = await open(path);
    try {
      const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
      const version = [ino, size, mtimeNs, ctimeNs].join(" ");
      if (held?.version === version) return held.keys;
      held = undefined;
      if (size > MAX_JWKS_BYTES) throw new Error(`the JWKS file is larger than ${MAX_JWKS_BYTES} bytes`);
      const keys = parseKeySet(await file.readFile("utf8"));
      held = { keys, version };
      return keys;
    } finally {
      await file.close();
    }
  }

  return {
    async keyFor(hint) {
      let keys: KeySet;
      try {
        keys = await current();
      } catch (cause) {
        throw new TokenError("keys-unavailable", { cause });
      }
      const key = await keys(hint);
      if (!key) throw new TokenError("unknown-key");
      return key;
    },
  };
}
