import { CredentialName, ServerName } from "@sallyport/contracts";
import { drainLimit, gateSettings } from "@sallyport/gate";
import { appConfig, duration, filePath } from "@sallyport/runtime";
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
  ...gateSettings,
  servers: z
    .record(ServerName, z.union([HttpServer, StdioServer]))
    .refine((servers) => Object.keys(servers).length > 0, {
      message: "a connector without servers has nothing to do",
    }),
  limits: z
    .strictObject({
      broker: duration({ min: "100ms", max: "30s" }).default(5_000),
      drain: drainLimit,
    })
    .prefault({}),
});
