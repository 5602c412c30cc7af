import { z } from "zod";
import { request } from "../shape/contract.ts";
import { open } from "../shape/fields.ts";

export const Span = z.object({
  traceId: z.string().max(32),
  spanId: z.string().max(16),
  parentId: z.string().max(16).optional(),
  zone: z.string().max(32),
  instance: z.string().max(64),
  name: z.string().max(256),
  kind: z.enum(["internal", "server", "client", "producer", "consumer"]),
  /** Unix nanoseconds, as decimal text: they do not fit a double. */
  start: z.string().max(20),
  end: z.string().max(20),
  error: z.string().max(512).optional(),
  attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type Span = z.infer<typeof Span>;

/** The spans of one trace in the collector's local store; `last` is the newest trace that holds a call. */
export const readTrace = request({
  subject: "collector.v1.trace",
  input: z.object({
    trace: open(z.string().regex(/^(last|[0-9a-f]{32})$/, "a trace id of 32 hex digits, or last")),
  }),
  output: z.object({ spans: open(z.array(Span).max(2000)) }),
  errors: ["invalid", "not_found", "unavailable"],
  servedBy: "collector",
  calledBy: ["operator"],
  idempotent: true,
});
