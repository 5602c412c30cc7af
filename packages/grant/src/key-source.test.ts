import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseKeySet } from "./key-source.ts";

const jwk = (kid?: string) => {
  const key = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  return kid === undefined ? key : { ...key, kid };
};
const setOf = (...keys: object[]) => parseKeySet(JSON.stringify({ keys }));

describe("a JWK Set", () => {
  test("gives the key that fits, and none otherwise", async () => {
    const keys = setOf(jwk("a"), jwk("b"), { kty: "oct", k: "c2VjcmV0", kid: "c" });
    expect(await keys({ alg: "EdDSA", kid: "b" })).toMatchObject({ type: "public" });
    expect(await keys({ alg: "EdDSA", kid: "c" })).toBeUndefined();
    expect(await keys({ alg: "ES256", kid: "a" })).toBeUndefined();
  });

  test("does not guess when several keys fit", async () => {
    const keys = setOf(jwk("a"), jwk("b"));
    await expect(keys({ alg: "EdDSA" })).rejects.toMatchObject({ code: "unknown-key" });
  });

  test("does not use a key meant for encryption, nor one for another algorithm", async () => {
    const keys = setOf({ ...jwk("a"), use: "enc" }, { ...jwk("b"), alg: "ES256" });
    expect(await keys({ alg: "EdDSA", kid: "a" })).toBeUndefined();
    expect(await keys({ alg: "EdDSA", kid: "b" })).toBeUndefined();
  });

  test("does not use a key that is none", async () => {
    const keys = setOf({ kty: "OKP", crv: "Ed25519", x: "AAAA", kid: "a" });
    await expect(keys({ alg: "EdDSA", kid: "a" })).rejects.toMatchObject({ code: "unknown-key" });
  });

  test.each<[string, string]>([
    ["no JSON", "<html>"],
    ["no set", "[]"],
    ["without keys", '{"keys":[]}'],
    ["of symmetric keys only", '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'],
    ["with its keys told twice", '{"keys":[],"keys":[]}'],
    ["of too many keys", JSON.stringify({ keys: Array.from({ length: 101 }, () => jwk()) })],
    [
      "with a private key",
      JSON.stringify({ keys: [generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })] }),
    ],
  ])("is refused when it is one %s", (_, text) => {
    expect(() => parseKeySet(text)).toThrow();
  });
});
