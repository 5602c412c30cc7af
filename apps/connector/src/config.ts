import { CredentialName, InstanceName, ServerName } from "@sallyport/contracts";
import { appConfig, duration, filePath, secretFile } from "@sallyport/runtime";
import { z } from "zod";

const HeaderName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "a header's name");
const VariableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "a variable's name");

/** Where a credential goes in what is sent to the upstream. */
const Placement = z.discriminatedUnion("in", [
  z.strictObject({ in: z.literal("header"), name: HeaderName, prefix: z.string().max(64).optional() }),
  z.strictObject({ in: z.literal("basic") }),
  /** A URL ends up in logs: only for servers that take nothing else. */
  z.strictObject({ in: z.literal("query"), name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }),
  z.strictObject({
    in: z.literal("env"),
    variables: z.record(VariableName, z.enum(["username", "password", "value"])),
  }),
]);

const Credential = z.strictObject({ name: CredentialName, place: Placement });

const HttpServer = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  caFile: filePath().optional(),
  credential: Credential.refine((one) => one.place.in !== "env", {
    message: "a server reached by URL takes its credential in a header, as Basic or in the query",
    path: ["place"],
  }).optional(),
});

const StdioServer = z.strictObject({
  command: z.string().min(1).max(4096),
  args: z.array(z.string().max(4096)).max(64).default([]),
  env: z.record(VariableName, z.string().max(4096)).default({}),
  cwd: filePath().optional(),
  credential: Credential.refine((one) => one.place.in === "env", {
    message: "a server started as a process takes its credential as environment variables",
    path: ["place"],
  }).optional(),
  maxSessions: z.int().min(1).max(1000).default(32),
});

export type HttpServer = z.output<typeof HttpServer>;
export type StdioServer = z.output<typeof StdioServer>;
export type ServerConfig = HttpServer | StdioServer;

export const connectorConfig = appConfig({
  tenant: InstanceName,
  /** This connector's own key, from `sallyport connector enroll`: sessions and credentials are sealed to it. */
  privateKey: secretFile(),
  /** The edges that may call: name → Ed25519 public key (PEM). */
  edges: z.record(InstanceName, filePath()).refine((edges) => Object.keys(edges).length > 0, {
    message: "without an edge nobody can call",
  }),
  /** How agents' tokens are verified here, independently of any edge. */
  tokens: z
    .strictObject({
      issuer: z.url({ protocol: /^https?$/ }),
      /** The edge's public URL: tokens are for `{publicUrl}/mcp/{server}`. */
      publicUrl: z.url({ protocol: /^https?$/ }).transform((text) => new URL(text).origin),
      jwksUrl: z.url({ protocol: /^https?$/ }).optional(),
      jwksFile: filePath().optional(),
    })
    .refine((tokens) => (tokens.jwksUrl === undefined) !== (tokens.jwksFile === undefined), {
      message: "set one of tokens.jwksUrl and tokens.jwksFile",
    }),
  /** Cedar policies: files, or folders of `*.cedar`. */
  policies: z.array(filePath()).min(1).max(64),
  servers: z
    .record(ServerName, z.union([HttpServer, StdioServer]))
    .refine((servers) => Object.keys(servers).length > 0, {
      message: "a connector without servers has nothing to do",
    }),
  nats: z.strictObject({
    servers: z
      .array(z.string().regex(/^(nats|tls|wss?):\/\//))
      .min(1)
      .max(16),
    creds: filePath(),
    caFile: filePath().optional(),
  }),
  limits: z
    .strictObject({
      broker: duration({ min: "100ms", max: "30s" }).default(5_000),
      /** How long an orderly stop waits for calls in progress. */
      drain: duration({ max: "10m" }).default(10_000),
    })
    .prefault({}),
});
