import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { InstanceName } from "@sallyport/contracts";
import { z } from "zod";
import { filePath } from "./setting-types.ts";

/** Settings that every process has. */
export const processSettings = {
  /** Which instance of its zone this is, as its NATS user says. */
  instance: InstanceName.default(defaultInstance),
  log: z
    .strictObject({ level: z.enum(["trace", "debug", "info", "warn", "error"]).default("info") })
    .prefault({}),
  /** Where /healthz and /readyz answer: a unix socket, or a port of the loopback interface, or nowhere. */
  health: z
    .strictObject({ socket: filePath().optional(), port: z.int().min(0).max(65535).optional() })
    .optional(),
  telemetry: z.strictObject({ sampleRatio: z.number().min(0).max(1).default(1) }).prefault({}),
};

export type ProcessSettings = z.output<z.ZodObject<typeof processSettings>>;

/** The schema of an app's configuration: its own settings beside those of every process. Unknown keys are refused. */
export function appConfig<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject({ ...processSettings, ...shape });
}

function defaultInstance(): string {
  const host = hostname()
    .replace(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 48);
  return `${host}-${randomBytes(4).toString("hex")}`;
}
