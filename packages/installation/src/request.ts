import { createPublicKey, hash } from "node:crypto";
import { fromPublic } from "@nats-io/jwt";
import { InstanceName, type Zone, zones } from "@sallyport/contracts";
import { parsePublicKey } from "@sallyport/seal";
import { z } from "zod";
import { canonicalJson } from "./canonical.ts";
import { zoneNeeds } from "./zones.ts";

/** A NATS user's public key. */
export const NatsKey = z.string().refine(isUserKey, "a NATS user's public key, U…");
/** To seal to: `spk1.…`. */
export const SealKey = z.string().max(4096).refine(isSealKey, "a seal key's public half, spk1.…");
/** Ed25519 public key, PEM: what an edge's grants are checked with. */
export const GrantKey = z.string().max(400).refine(isEd25519, "an Ed25519 public key, PEM");

/** The public halves of the keys that a zone made for itself. */
export const ZoneKeys = z.strictObject({
  nats: NatsKey,
  seal: SealKey.optional(),
  grant: GrantKey.optional(),
});
export type ZoneKeys = z.output<typeof ZoneKeys>;

/**
 * What a zone asks its operator for. It is public, and proves nothing: the operator and the zone's owner compare its
 * fingerprint over another way.
 */
export const ZoneRequest = z
  .strictObject({
    format: z.literal("sallyport-request/1"),
    zone: z.enum(zones),
    instance: InstanceName,
    madeAt: z.iso.datetime(),
    keys: ZoneKeys,
  })
  .refine(({ zone, keys }) => fitsZone(zone, keys), {
    message: "the keys are not those of its zone",
    path: ["keys"],
  });
export type ZoneRequest = z.output<typeof ZoneRequest>;

/** Pure: a connector or runner has a seal key and no other zone does; likewise an edge's grant key. */
function fitsZone(zone: Zone, keys: ZoneKeys): boolean {
  const needs = zoneNeeds[zone];
  return needs.seal === (keys.seal !== undefined) && needs.grant === (keys.grant !== undefined);
}

/** 160 bits over who asks and with which keys, as ten groups of four hex digits: what two people read to each other. */
export function requestFingerprint({
  zone,
  instance,
  keys,
}: Pick<ZoneRequest, "zone" | "instance" | "keys">): string {
  const digits = hash("sha256", canonicalJson({ zone, instance, keys }), "hex").slice(0, 40);
  return digits.replace(/(.{4})(?!$)/g, "$1-");
}

function isUserKey(text: string): boolean {
  try {
    return text.startsWith("U") && fromPublic(text).getPublicKey() === text;
  } catch {
    return false;
  }
}

function isSealKey(text: string): boolean {
  try {
    return parsePublicKey(text).text === text;
  } catch {
    return false;
  }
}

function isEd25519(pem: string): boolean {
  try {
    // Node would make the public half of a private key, and nobody would notice what was sent.
    return !pem.includes("PRIVATE") && createPublicKey(pem).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}
