import { filePath } from "@sallyport/runtime";
import { z } from "zod";

/** How a zone reaches the relay, and as whom. */
export const natsSettings = z.strictObject({
  servers: z
    .array(z.string().regex(/^(nats|tls|wss?):\/\//))
    .min(1)
    .max(16),
  creds: filePath(),
  caFile: filePath().optional(),
});
export type NatsSettings = z.output<typeof natsSettings>;
