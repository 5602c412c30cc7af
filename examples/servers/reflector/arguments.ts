import { z } from "zod";
import { FORM_NAMES } from "./forms.ts";

/** What each tool takes. Everything is bounded: a test may ask for much, never for all. */

const MAX_PAUSE_MS = 10_000;

export const echoArguments = z.object({
  in: z.enum(["text", "header", "sse", "rpc-error", "http-error", "cookie"]).default("text"),
  form: z.enum(FORM_NAMES).default("raw"),
  encoding: z.enum(["identity", "gzip", "br", "deflate", "zstd"]).default("identity"),
  from: z.string().default("bearer"),
});

export const redirectArguments = z.object({
  status: z
    .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
    .default(307),
  location: z.string(),
});

export const streamArguments = z.object({
  events: z.int().min(0).max(10_000).default(5),
  intervalMs: z.int().min(0).max(MAX_PAUSE_MS).default(20),
});

export const floodArguments = z.object({
  mebibytes: z.number().positive().max(4096).default(8),
  chunkKiB: z.int().min(1).max(4096).default(64),
  sse: z.boolean().default(false),
});

export const hangArguments = z.object({ after: z.enum(["nothing", "head", "half"]).default("nothing") });

export const resetArguments = z.object({ afterBytes: z.int().min(0).max(1_000_000).default(100) });

export const dribbleArguments = z.object({
  chunkBytes: z.int().min(1).max(65_536).default(3),
  delayMs: z.int().min(0).max(MAX_PAUSE_MS).default(1),
  sse: z.boolean().default(false),
  form: z.enum(FORM_NAMES).default("raw"),
  encoding: z.enum(["identity", "gzip", "br", "deflate", "zstd"]).default("identity"),
});

export const plainArguments = z.object({ text: z.string().default("ok") });
