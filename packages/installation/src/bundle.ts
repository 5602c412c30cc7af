import { fromPublic } from "@nats-io/jwt";
import { InstanceName, zones } from "@sallyport/contracts";
import { Enrolment } from "@sallyport/seal";
import { z } from "zod";
import { canonicalJson } from "./canonical.ts";
import { GrantKey, NatsKey, SealKey } from "./request.ts";
import { secretsIn } from "./secrets-in.ts";

const Jwt = z
  .string()
  .max(64 * 1024)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, "a JWT");
const Url = z.url({ protocol: /^https?$/ }).max(1000);
const RelayUrl = z
  .string()
  .max(300)
  .regex(/^(tls|wss|nats|ws):\/\/[^\s/]+\/?$/, "tls://host:port or wss://host:port");

/** One or more certificates, PEM. */
const Authorities = z.string().max(64 * 1024);

/** Where agents' tokens come from, and what they are for. Without `ca` the system's authorities vouch for `jwksUrl`. */
export const TokenFacts = z.strictObject({
  issuer: Url,
  publicUrl: Url,
  jwksUrl: Url,
  ca: Authorities.optional(),
});
export type TokenFacts = z.output<typeof TokenFacts>;

/** How the relay is reached. Without `ca` the system's authorities vouch for it. */
export const RelayFacts = z.strictObject({
  servers: z.array(RelayUrl).min(1).max(16),
  ca: Authorities.optional(),
});
export type RelayFacts = z.output<typeof RelayFacts>;

const unsigned = {
  format: z.literal("sallyport-bundle/1"),
  zone: z.enum(zones),
  instance: InstanceName,
  tenant: InstanceName,
  issuedAt: z.iso.datetime(),
  /** Who signed: `O…`. */
  operator: z.string().regex(/^O[A-Z2-7]{55}$/, "an operator's public key, O…"),
  relay: RelayFacts,
  /** The user's JWT, and that of the account that signed it. The seed stays where it was made. */
  nats: z.strictObject({ publicKey: NatsKey, jwt: Jwt, account: Jwt }),
  /** This instance's own keys that count, newest first: of what it keeps, the rest may go. */
  keys: z.strictObject({
    seal: z.array(SealKey).max(2).optional(),
    grant: z.array(GrantKey).max(2).optional(),
  }),
  /** Edge → the keys that its grants may be signed with, newest first. */
  edges: z.record(InstanceName, z.array(GrantKey).min(1).max(2)).optional(),
  enrolments: z.array(Enrolment).max(4096).optional(),
  tokens: TokenFacts.optional(),
  /** More of the zone's own settings. */
  settings: z.record(z.string().max(64), z.json()).optional(),
};
const Signature = z.string().regex(/^[\w-]{86}$/, "an Ed25519 signature, base64url");

/** What an operator hands to a zone: all that it needs of the others, and no secret. */
export const Bundle = z.strictObject({ ...unsigned, signature: Signature });
export type Bundle = z.output<typeof Bundle>;
export const UnsignedBundle = z.strictObject(unsigned);
export type UnsignedBundle = z.output<typeof UnsignedBundle>;

export const maxBundleBytes = 4 * 1024 * 1024;

/**
 * Signs with the operator's key, over the canonical JSON of all but the signature. JSON begins with a brace and a JWT does
 * not: no signature of the one can be shown as one of the other.
 *
 * @throws RangeError where it holds a secret: it would be handed around
 */
export function signBundle(bundle: UnsignedBundle, sign: (bytes: Uint8Array) => Uint8Array): Bundle {
  const checked = UnsignedBundle.parse(bundle);
  const found = secretsIn(JSON.stringify(checked));
  if (found.length > 0)
    throw new RangeError(
      `a bundle holds no secret, and this one would have ${found.join(" and ")}: name the secret's file instead`,
    );
  const signature = sign(Buffer.from(canonicalJson(checked)));
  return { ...checked, signature: Buffer.from(signature).toString("base64url") };
}

/** Pure: whether whom the bundle names as its operator has signed it as it is. */
export function isSignedByOperator({ signature, ...rest }: Bundle): boolean {
  try {
    const key = fromPublic(rest.operator);
    return key.verify(Buffer.from(canonicalJson(rest)), Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}
