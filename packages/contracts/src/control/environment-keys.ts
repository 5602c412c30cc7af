import { hash, randomBytes } from "node:crypto";
import { z } from "zod";
import { bucket } from "../shape/contract.ts";
import { open, sensitive } from "../shape/fields.ts";
import { PoolName } from "../work-queue/requirements.ts";

/** Of an environment key: it stands in the key, so that an edge finds the entry without trying them all. */
export const EnvironmentKeyId = z.string().regex(/^[0-9a-f]{16}$/, "16 of 0-9 a-f");

/** A new key: `spek_`, its id, a dot, 32 random bytes. What is kept of it is `hash` alone. */
export function newEnvironmentKey(): { id: string; key: string; hash: string } {
  const id = randomBytes(8).toString("hex");
  const key = `spek_${id}.${randomBytes(32).toString("base64url")}`;
  return { id, key, hash: environmentKeyHash(key) };
}

/** The id in a key; undefined for what cannot be one. */
export function environmentKeyId(key: string): string | undefined {
  return /^spek_([0-9a-f]{16})\.[A-Za-z0-9_-]{43}$/.exec(key)?.[1];
}

/** SHA-256 in hex: a key is random and long, so it needs no salt. */
export function environmentKeyHash(key: string): string {
  return hash("sha256", key, "hex");
}

/**
 * Who may take the work of an environment from an edge's work API, by the key's id. The key itself is nowhere but with
 * whoever runs the workers. An entry that is deleted is refused at the next call: every edge watches this bucket.
 */
export const environmentKeys = bucket({
  name: "environment_keys",
  value: z.object({
    /** An environment is a pool whose calls are run by workers outside. */
    environment: open(PoolName),
    /** SHA-256 of the whole key, in hex. */
    hash: sensitive(z.string().regex(/^[0-9a-f]{64}$/)),
    /** For other operators: whose key it is. */
    label: open(z.string().max(128).optional()),
    createdAt: open(z.iso.datetime()),
  }),
  writtenBy: ["operator"],
  readBy: ["edge", "operator"],
  ttlSeconds: 0,
});
