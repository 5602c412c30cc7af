import { ProtocolError } from "@modelcontextprotocol/client";
import { describe, expect, it } from "vitest";
import { toolsOf } from "./tools.ts";

type Server = Parameters<typeof toolsOf>[0];
type Result = Awaited<ReturnType<Server["callTool"]>>;

/** A server with one tool. */
async function toolsWhere(callTool: () => Promise<Result>) {
  const inputSchema = { type: "object" as const };
  return toolsOf({
    listTools: async () => ({ tools: [{ name: "look", description: "Looks", inputSchema }] }),
    callTool,
  });
}

const never = async () => {
  throw new Error("was called");
};

describe("the tools of an MCP server", () => {
  it("are listed as the Messages API knows them", async () => {
    const { list } = await toolsWhere(never);
    expect(list).toEqual([{ name: "look", description: "Looks", input_schema: { type: "object" } }]);
  });

  it("answer with what a model can read, and with an error as an error", async () => {
    const content: Result["content"] = [
      { type: "text", text: "seen" },
      { type: "image", data: "AAAA", mimeType: "image/png" },
      { type: "audio", data: "AAAA", mimeType: "audio/wav" },
    ];
    const tools = await toolsWhere(async () => ({ content, isError: true }));
    expect(await tools.call("look", {})).toEqual({
      isError: true,
      content: [
        { type: "text", text: "seen" },
        { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
        { type: "text", text: JSON.stringify(content[2]) },
      ],
    });
  });

  it("are not called under a name that is not in the list", async () => {
    const tools = await toolsWhere(never);
    expect(await tools.call("delete_all", {})).toMatchObject({
      isError: true,
      content: [{ text: "there is no tool delete_all" }],
    });
  });

  it("pass on why a call was denied", async () => {
    const tools = await toolsWhere(async () => {
      throw new ProtocolError(-31403, 'Denied by policy rule "no-looking": not today');
    });
    expect(await tools.call("look", {})).toMatchObject({
      isError: true,
      content: [{ text: 'Denied by policy rule "no-looking": not today' }],
    });
  });

  it("fail where there is no connection: a model could do nothing about it", async () => {
    await expect((await toolsWhere(never)).call("look", {})).rejects.toThrow("was called");
  });
});
