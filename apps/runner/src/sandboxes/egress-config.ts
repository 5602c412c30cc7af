import { CredentialName } from "@sallyport/contracts";
import { duration, filePath } from "@sallyport/runtime";
import { z } from "zod";

export const VariableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "a variable's name");
const HeaderName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "a header's name");
const Host = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, "a host's name in lower case");

const Binding = z
  .strictObject({
    scheme: z.enum(["http", "https"]).default("https"),
    host: Host,
    port: z.int().min(1).max(65_535).optional(),
    /** Every method unless told. */
    methods: z
      .array(z.string().regex(/^[A-Z]{1,16}$/))
      .min(1)
      .max(16)
      .optional(),
    /** `/v1` covers `/v1` and all below it. */
    pathPrefix: z.string().startsWith("/").max(1024).default("/"),
    place: z.discriminatedUnion("in", [
      z.strictObject({ in: z.literal("header"), name: HeaderName, prefix: z.string().max(64).optional() }),
      z.strictObject({ in: z.literal("basic") }),
      z.strictObject({ in: z.literal("query"), name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }),
    ]),
  })
  .transform(({ port, place, ...binding }) => ({
    ...binding,
    port: port ?? (binding.scheme === "https" ? 443 : 80),
    location: place,
  }));

/** The door out of a pool's sandboxes. Where it may lead is the policies' to say (`http/request`). */
export const EgressConfig = z.strictObject({
  /** Variable inside, which holds a placeholder → the credential it stands for, and where it does. */
  credentials: z
    .record(
      VariableName,
      z.strictObject({
        credential: CredentialName,
        /** For clients that look at a token's form: what it begins with, and how many characters follow. */
        prefix: z
          .string()
          .regex(/^[A-Za-z0-9_-]{0,32}$/)
          .optional(),
        length: z.int().min(32).max(256).optional(),
        bindings: z.array(Binding).min(1).max(32),
      }),
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
