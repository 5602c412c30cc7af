import { InstanceName, maxDemands, PoolName, Requirements } from "@sallyport/contracts";
import { appConfig, byteSize, duration, filePath, secretFile } from "@sallyport/runtime";
import { issuerSettings, natsSettings, oneSourceOfKeys } from "@sallyport/zone";
import { z } from "zod";

/** Of a sandbox whose pool says nothing else: enough for a build, and no more than a laptop has. */
export const defaultRequirements: Requirements = {
  kernel: "shared",
  network: "none",
  memoryMiB: 512,
  pids: 128,
  cpu: 1,
  diskMiB: 1024,
};

const loopback = new Set(["127.0.0.1", "::1", "localhost"]);

export const edgeConfig = appConfig({
  tenant: InstanceName,
  listen: z
    .strictObject({
      host: z.string().default("127.0.0.1"),
      port: z.int().min(0).max(65535),
      tls: z.strictObject({ certFile: filePath(), keyFile: secretFile() }).optional(),
    })
    .refine((listen) => listen.tls !== undefined || loopback.has(listen.host), {
      message: "listening beyond loopback needs TLS: set listen.tls.certFile and listen.tls.keyFile",
      path: ["tls"],
    }),
  /** What agents call, without a path. Tokens are for `{publicUrl}/mcp/{server}` (RFC 8707). */
  publicUrl: z.url({ protocol: /^https?$/ }).transform((text) => new URL(text).origin),
  /** Web origins that may call, beside the edge's own. */
  allowedOrigins: z
    .array(z.url().transform((text) => new URL(text).origin))
    .max(64)
    .default([]),
  tokens: z.strictObject(issuerSettings).superRefine(oneSourceOfKeys),
  /** Ed25519 private key (PKCS 8, PEM) that signs grants and hellos. */
  signingKey: secretFile(),
  /** A folder with one file per enrolled connector, written by `sallyport connector enroll`. */
  enrolments: filePath(),
  /** What a session in each pool of sandboxes must have; see `defaultRequirements` for the others. */
  sandboxes: z
    .record(PoolName, Requirements)
    .refine((pools) => Object.keys(pools).length <= maxDemands, { message: `at most ${maxDemands} pools` })
    .default({}),
  /** Pools whose tools are run by workers outside, through the work API (`/v1/environments/{pool}/work`). */
  environments: z.array(PoolName).max(256).default([]),
  nats: natsSettings,
  limits: z
    .strictObject({
      body: byteSize({ max: "1MiB" }).default(1024 * 1024),
      /** Until the first byte of a reply. A stream that has begun may go on. */
      answer: duration({ min: "100ms", max: "1h" }).default(60_000),
      /** Until the last byte of a request: a client that dribbles holds a connection no longer. */
      request: duration({ min: "1s", max: "10m" }).default(30_000),
      /** How long a new session waits for a runner to claim it. */
      placement: duration({ min: "100ms", max: "10m" }).default(20_000),
      /** How long an orderly stop waits for calls in progress. */
      drain: duration({ max: "10m" }).default(10_000),
      connections: z.int().min(1).max(200_000).default(20_000),
    })
    .prefault({}),
});
