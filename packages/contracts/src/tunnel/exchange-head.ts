import { z } from "zod";
import { ServerName } from "../shape/names.ts";
import { WorkId } from "../work-queue/work-item.ts";

const Headers = z.array(z.tuple([z.string().max(128), z.string().max(8192)])).max(64);

/** The head of an exchange, edge → connector, inside a sealed frame. */
export const ExchangeHead = z.object({
  /** The grant's handle on this link. Which agent calls follows from it and from nothing else. */
  grant: z.number().int().positive(),
  server: ServerName,
  method: z.enum(["POST", "GET", "DELETE"]),
  /** The agent's headers that may pass, lower-case names, in their order. */
  headers: Headers,
  /** The work item that was claimed for this call, where it begins a session in a sandbox. */
  work: WorkId.optional(),
  /** W3C trace context of the edge's span. */
  trace: z.object({ traceparent: z.string().max(64), tracestate: z.string().max(512).optional() }).optional(),
  /** Milliseconds, counted from when the connector receives it: clocks need not agree. */
  deadlineMs: z.number().int().positive().max(3_600_000),
});
export type ExchangeHead = z.infer<typeof ExchangeHead>;

/** The head of a reply, connector → edge. */
export const ReplyHead = z.object({
  status: z.number().int().min(200).max(599),
  headers: Headers,
});
export type ReplyHead = z.infer<typeof ReplyHead>;
