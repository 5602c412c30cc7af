import { generateKeyPairSync } from "node:crypto";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import { generateRecipientKey, privateKeyText } from "@sallyport/seal";
import { expect, test } from "vitest";
import { secretsIn } from "./secrets-in.ts";

const pkcs8 = (kind: "ed25519" | "ec") => {
  const { privateKey } =
    kind === "ec" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
  return privateKey.export({ format: "pem", type: "pkcs8" }).toString();
};
const seed = (make: typeof createUser) => Buffer.from(make().getSeed()).toString();
const seal = await generateRecipientKey();

test.each([
  ["an operator's seed", seed(createOperator)],
  ["an account's seed", seed(createAccount)],
  ["a user's seed", seed(createUser)],
  ["a seal key", privateKeyText(seal.privateKey)],
  ["an Ed25519 key", pkcs8("ed25519")],
  ["an EC key", pkcs8("ec")],
  ["a Vault token", "hvs.CAESIJ1234567890abcdefghij"],
])("%s is found, as it is and in the midst of JSON", (_what, secret) => {
  expect(secretsIn(secret)).toHaveLength(1);
  const found = secretsIn(JSON.stringify({ a: [`x${"\n"}${secret} y`] }));
  expect(found).toHaveLength(1);
  expect(found.join()).not.toContain(secret.slice(10, 30));
});

test("public halves, JWTs and certificates are no secrets", () => {
  const spki = generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" });
  const texts = [
    createUser().getPublicKey(),
    createOperator().getPublicKey(),
    seal.publicKey,
    spki,
    "eyJh.eyJi.c2ln",
  ];
  expect(secretsIn(texts.join(" "))).toEqual([]);
});
