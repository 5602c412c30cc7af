import { CredentialName } from "@sallyport/contracts";
import { duration, filePath } from "@sallyport/runtime";
import type { Binding as SandboxBinding } from "@sallyport/sandbox-egress";
import { z } from "zod";

export const VariableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "a variable's name");
const HeaderName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "a header's name");
const FieldName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "a field's name");
const Host = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, "a host's name in lower case");

const Server = {
  scheme: z.enum(["http", "https"]).default("https"),
  host: Host,
  /** The scheme's own unless told. */
  port: z.int().min(1).max(65_535).optional(),
  /** `/v1` covers `/v1` and all below it. */
  pathPrefix: z.string().startsWith("/").max(1024).default("/"),
};
const portOf = (at: { scheme: "http" | "https"; port?: number | undefined }) =>
  at.port ?? (at.scheme === "https" ? 443 : 80);

const Binding = z
  .strictObject({
    ...Server,
    /** Every method unless told. */
    methods: z
      .array(z.string().regex(/^[A-Z]{1,16}$/))
      .min(1)
      .max(16)
      .optional(),
    place: z.discriminatedUnion("in", [
      z.strictObject({ in: z.literal("header"), name: HeaderName, prefix: z.string().max(64).optional() }),
      z.strictObject({ in: z.literal("basic") }),
      z.strictObject({ in: z.literal("query"), name: FieldName }),
      /** A field of an urlencoded body, as token endpoints read it. */
      z.strictObject({ in: z.literal("form"), name: FieldName }),
    ]),
  })
  .transform(
    ({ place, ...binding }) => ({ ...binding, port: portOf(binding), location: place }) as SandboxBinding,
  );

/** What a placeholder looks like, for clients that check: what it begins with, and how many characters follow. */
const form = {
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,32}$/)
    .optional(),
  length: z.int().min(32).max(256).optional(),
};

/** A URL whose answers hand out credentials (RFC 6749, section 5.1): what comes inside are placeholders. */
const TokenEndpoint = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "1 to 64 of A-Z a-z 0-9 . _ -"),
    ...Server,
    /** Field of the answer → where its placeholder stands for it. */
    issues: z.record(FieldName, z.strictObject({ bindings: z.array(Binding).max(32), ...form })),
  })
  .transform((endpoint) => ({ ...endpoint, port: portOf(endpoint) }));

/** The door out of a pool's sandboxes. Where it may lead is the policies' to say (`http/request`). */
export const EgressConfig = z.strictObject({
  /** Variable inside, which holds a placeholder → the credential it stands for, and where it does. */
  credentials: z
    .record(
      VariableName,
      z.strictObject({
        credential: CredentialName,
        ...form,
        bindings: z.array(Binding).min(1).max(32),
      }),
    )
    .default({}),
  tokenEndpoints: z.array(TokenEndpoint).max(16).default([]),
  /** File inside → its text, in which `{{credential}}` is that credential's placeholder: `.netrc`, `.npmrc`. */
  files: z
    .record(
      z.string().regex(/^\/(?:workspace|tmp)\/[^\0]{1,240}$/, "a path below /workspace or /tmp"),
      z.string().max(65_536),
    )
    .default({}),
  /** `host:port` of a private server → its one address. Other names may lead to public addresses alone. */
  addresses: z.record(z.string().regex(/^[a-z0-9.-]+:\d{1,5}$/, "host:port"), z.string().max(64)).default({}),
  /** Certificate authorities of private servers, besides the system's. */
  caFile: filePath().optional(),
  /** Of one sandbox, at once. */
  connections: z.int().min(1).max(10_000).default(64),
  /** The longest that one request or tunnel may last. */
  longest: duration({ min: "1s", max: "24h" }).default(3_600_000),
});
export type EgressConfig = z.output<typeof EgressConfig>;
