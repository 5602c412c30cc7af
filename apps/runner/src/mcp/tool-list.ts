import type { ListToolsResult } from "@modelcontextprotocol/server";
import { z } from "zod";
import { sandboxTools, type Tool } from "../tools/tool.ts";

type Listed = ListToolsResult["tools"][number];

/** Not in the tools' own input: on the wire without sessions it says where, not what. */
export const sandboxArgument = "sandbox";
export const sandboxHandle = z
  .string()
  .regex(/^[!-~]{1,256}$/)
  .optional()
  .describe(
    "The sandbox to work in, as an earlier result named it. Leave it out to begin a new, empty one; its name is at the end of the result.",
  );

/** `tools/list` of the wire with sessions: the session is the sandbox. */
export const listedTools: Listed[] = [...sandboxTools.values()].map((tool) => listed(tool, tool.input));

/** `tools/list` of the wire without sessions. */
export const listedToolsWithHandle: Listed[] = [...sandboxTools.values()].map((tool) =>
  listed(tool, tool.input.extend({ [sandboxArgument]: sandboxHandle })),
);

function listed({ name, title, description, annotations }: Tool, input: z.ZodObject): Listed {
  const inputSchema = z.toJSONSchema(input, { io: "input" }) as Listed["inputSchema"];
  return { name, title, description, inputSchema, annotations: { title, ...annotations } };
}
