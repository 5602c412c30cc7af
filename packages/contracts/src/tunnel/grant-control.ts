import { z } from "zod";
import { errorCodes } from "../shape/errors.ts";

/** A number that names a grant on one link, so that a call needs no signature. */
const Handle = z.number().int().positive();

/** This end stops in order: calls in progress end now, not when silence is noticed. */
const Closing = z.object({ type: z.literal("closing") });

/** Control messages of a link, edge → connector. */
export const EdgeControl = z.discriminatedUnion("type", [
  /** Opens a grant, or renews it under the same handle. The agent's token ends at the connector. */
  z.object({
    type: z.literal("grant"),
    handle: Handle,
    grant: z.string().max(8192),
    token: z.string().max(16_384),
  }),
  /** The edge has no more use for a grant, or it was revoked: its streams end. */
  z.object({ type: z.literal("drop"), handle: Handle }),
  Closing,
]);
export type EdgeControl = z.infer<typeof EdgeControl>;

/** Control messages of a link, connector → edge. */
export const ConnectorControl = z.discriminatedUnion("type", [
  z.object({ type: z.literal("granted"), handle: Handle }),
  z.object({
    type: z.literal("refused"),
    handle: Handle,
    code: z.enum(errorCodes),
    message: z.string().max(500),
  }),
  Closing,
]);
export type ConnectorControl = z.infer<typeof ConnectorControl>;
