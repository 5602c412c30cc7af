import { generateKeyPairSync } from "node:crypto";
import type { JWK } from "oidc-provider";

/**
 * Fresh private keys as JWKs: ES256, which signs, and Ed25519 (EdDSA). An issuer that shall keep its keys
 * through a restart is given the same ones each time; the public halves are at `/jwks`.
 */
export function createSigningKeys(): JWK[] {
  const { privateKey: p256 } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { privateKey: ed25519 } = generateKeyPairSync("ed25519");
  return [
    { ...p256.export({ format: "jwk" }), use: "sig", alg: "ES256" },
    { ...ed25519.export({ format: "jwk" }), use: "sig", alg: "EdDSA" },
  ] as JWK[];
}
