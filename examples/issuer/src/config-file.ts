import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { IssuerOptions } from "./issuer.ts";

const scope = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/);

/** Strict: a misspelt setting stops the start, it does not open anything. */
const IssuerFile = z.strictObject({
  port: z.int().min(0).max(65_535).default(0),
  /** Each gets the scope `mcp:{last path segment}`. */
  resources: z.array(z.url().max(500)).max(100),
  clients: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(200),
        secret: z.string().min(16).max(500),
        scopes: z.array(scope),
      }),
    )
    .max(100)
    .default([]),
  accessTokenTtlSeconds: z.int().min(1).max(600).default(300),
  signingAlgorithm: z.enum(["ES256", "EdDSA"]).default("ES256"),
  demoUser: z.string().min(1).max(200).default("demo@example.com"),
  metadataDocumentHosts: z.array(z.string().max(200)).max(20).default([]),
  /** Private JWKs; without them each start makes its own, and older tokens end with the process. */
  keys: z
    .array(z.looseObject({ kty: z.enum(["EC", "OKP"]) }))
    .max(10)
    .optional(),
});

/** Read the file named on the command line. Secrets are in the file: arguments and environment are for all to see. */
export async function readConfigFile(path: string): Promise<IssuerOptions> {
  const { resources, keys, ...rest } = IssuerFile.parse(JSON.parse(await readFile(path, "utf8")));
  const known = new Set(resources);
  return {
    ...rest,
    resources: (resource) => known.has(resource),
    ...(keys && { keys: keys as NonNullable<IssuerOptions["keys"]> }),
  };
}
