import { z } from "zod";

const Text = z.object({ type: z.literal("text"), text: z.string().min(1) });
const Image = z.object({
  type: z.literal("image"),
  source: z.object({
    type: z.literal("base64"),
    media_type: z.string().max(128),
    data: z.string(),
  }),
});
/** Documents and search results have no place in what an agent gets: they are passed as the text that they are. */
const Other = z
  .looseObject({ type: z.enum(["document", "search_result"]) })
  .transform((block) => ({ type: "text" as const, text: JSON.stringify(block) }));

export const ToolAnswer = z.object({
  is_error: z.boolean().default(false),
  content: z
    .array(z.union([Text, Image, Other]))
    .min(1)
    .max(256),
});
export type ToolAnswer = z.infer<typeof ToolAnswer>;

/** What a worker posts: one result, or a few. */
export const PostedEvents = z.object({
  events: z
    .array(
      z.object({
        type: z.literal("user.tool_result"),
        tool_use_id: z.string().max(128),
        is_error: z.boolean().optional(),
        content: z.unknown(),
      }),
    )
    .min(1)
    .max(16),
});
