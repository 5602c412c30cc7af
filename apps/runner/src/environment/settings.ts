import { PoolName } from "@sallyport/contracts";
import { EgressError, parseTarget } from "@sallyport/egress";
import { duration, filePath, secretFile } from "@sallyport/runtime";
import { z } from "zod";

/** An environment of Anthropic's Managed Agents whose sessions this runner serves. */
export const environmentSettings = z.strictObject({
  /** `env_…` */
  environment: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "an environment's id: 1 to 128 of A-Z a-z 0-9 _ -"),
  baseUrl: z.string().transform((text, context) => {
    try {
      const { url } = parseTarget(text);
      if (url.search === "" && (url.protocol === "https:" || isLoopback(url.hostname))) return text;
      context.addIssue("https, and no query: the environment key goes there");
    } catch (error) {
      context.addIssue(error instanceof EgressError ? error.reason : "not a URL");
    }
    return z.NEVER;
  }),
  /** Holds the environment key. */
  keyFile: secretFile(),
  /** Certificate authorities to trust instead of the system's, PEM. */
  caFile: filePath().optional(),
  /** The pool whose sandboxes and policies are used: policies name its tools `Tool::"pool/bash"`. */
  pool: PoolName,
  /** As whom policies and records know what the environment's sessions ask for; its id unless told. */
  agent: z.string().min(1).max(256).optional(),
  /** Sessions at once. */
  sessions: z.int().min(1).max(256).default(4),
  /** How long a session whose turn is over keeps its sandbox. */
  maxIdle: duration({ min: "100ms", max: "1h" }).default(60_000),
  /** How long a tool may run. */
  toolTime: duration({ min: "1s", max: "1h" }).default(120_000),
  /** How long an orderly stop waits for calls that run. */
  drain: duration({ max: "10m" }).default(10_000),
});
export type EnvironmentSettings = z.output<typeof environmentSettings>;

function isLoopback(hostname: string): boolean {
  return /^127(\.\d{1,3}){3}$|^\[::1\]$/.test(hostname);
}
