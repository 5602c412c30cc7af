import type { ImageBlockParam, TextBlockParam, Tool } from "@anthropic-ai/sdk/resources";
import { type CallToolResult, type Client, ProtocolError } from "@modelcontextprotocol/client";

type Content = TextBlockParam | ImageBlockParam;

export interface ToolAnswer {
  readonly content: readonly Content[];
  readonly isError: boolean;
}

/** The tools of an MCP server as the Messages API knows them. */
export interface Tools {
  readonly list: readonly Tool[];
  call(name: string, input: unknown): Promise<ToolAnswer>;
}

/** Asks the server what there is, once. What policy could never allow this agent is not in the list. */
export async function toolsOf(client: Pick<Client, "listTools" | "callTool">): Promise<Tools> {
  const { tools } = await client.listTools();
  const known = new Set(tools.map(({ name }) => name));
  return {
    list: tools.map(({ name, description, inputSchema }) => ({
      name,
      ...(description === undefined ? {} : { description }),
      input_schema: inputSchema as Tool.InputSchema,
    })),
    call: async (name, input) => {
      if (!known.has(name)) return failed(`there is no tool ${name}`);
      try {
        const result = await client.callTool({ name, arguments: input as Record<string, unknown> });
        return { content: result.content.map(toContent), isError: result.isError ?? false };
      } catch (error) {
        // The server, or the gate in front of it, said no and why. Without a connection there is nothing to tell a model.
        if (error instanceof ProtocolError) return failed(error.message);
        throw error;
      }
    },
  };
}

function failed(text: string): ToolAnswer {
  return { content: [{ type: "text", text }], isError: true };
}

const imageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"] as const;

function toContent(part: CallToolResult["content"][number]): Content {
  if (part.type === "text") return { type: "text", text: part.text };
  if (part.type === "image") {
    const media = imageTypes.find((type) => type === part.mimeType);
    if (media) return { type: "image", source: { type: "base64", media_type: media, data: part.data } };
  }
  return { type: "text", text: JSON.stringify(part) };
}
