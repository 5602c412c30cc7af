import { z } from "zod";
import { errorCodes } from "../shape/errors.ts";

const Session = z.string().min(1).max(256);

/**
 * What a runner asks the edge in the course of an exchange, inside sealed frames: to have a tool call made by a worker
 * outside, which the edge's work API serves. The gate has decided and recorded it before. Which environment it is about
 * follows from the exchange.
 */
export const WorkQuestion = z.discriminatedUnion("do", [
  z.object({
    do: z.literal("call"),
    /** The runner's name of the session: the edge keeps one session of the work API for it. */
    session: Session,
    tool: z.string().min(1).max(128),
    input: z.record(z.string(), z.unknown()),
  }),
  /** Nobody asks for this session any more. */
  z.object({ do: z.literal("end"), session: Session }),
]);
export type WorkQuestion = z.infer<typeof WorkQuestion>;

export const WorkAnswer = z.discriminatedUnion("outcome", [
  z.object({
    outcome: z.literal("answered"),
    isError: z.boolean(),
    content: z
      .array(
        z.discriminatedUnion("type", [
          z.object({ type: z.literal("text"), text: z.string() }),
          z.object({ type: z.literal("image"), data: z.string(), mimeType: z.string().max(128) }),
        ]),
      )
      .min(1)
      .max(256),
  }),
  z.object({ outcome: z.literal("failed"), code: z.enum(errorCodes), message: z.string().max(500) }),
  z.object({ outcome: z.literal("ended") }),
]);
export type WorkAnswer = z.infer<typeof WorkAnswer>;
