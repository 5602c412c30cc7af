import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { errorMessage } from "./call.ts";
import type { Recorder } from "./recorder.ts";
import { TOOLS, toolList } from "./tools.ts";
import { writeWhole } from "./write.ts";

const Message = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string(),
  params: z
    .object({
      name: z.string().optional(),
      arguments: z.unknown().optional(),
      protocolVersion: z.string().optional(),
      _meta: z.object({ progressToken: z.union([z.string(), z.number()]).optional() }).optional(),
    })
    .optional(),
});

const SERVER = { name: "reflector", version: "1.0.0" };
const CAPABILITIES = { tools: {} };

/**
 * Just enough JSON-RPC over HTTP for any MCP client, old wire or new. Written by hand because an SDK would not
 * send what a hostile server sends.
 */
export async function handleMessage(
  req: IncomingMessage,
  res: ServerResponse,
  deps: { body: string; recorder: Recorder },
): Promise<void> {
  const parsed = Message.safeParse(parseJson(deps.body));
  if (!parsed.success)
    return writeWhole(res, JSON.stringify(errorMessage(null, -32_600, "bad request")), { status: 400 });
  const { id, method, params } = parsed.data;
  if (id === undefined) return void res.writeHead(202).end();

  const answer = (result: unknown) => writeWhole(res, JSON.stringify({ jsonrpc: "2.0", id, result }));
  switch (method) {
    case "initialize": {
      const protocolVersion = params?.protocolVersion ?? "2025-11-25";
      return answer({ protocolVersion, capabilities: CAPABILITIES, serverInfo: SERVER });
    }
    case "server/discover": {
      const _meta = { "io.modelcontextprotocol/serverInfo": SERVER };
      const supportedVersions = ["2026-07-28"];
      const hints = { ttlMs: 0, cacheScope: "private" };
      return answer({
        resultType: "complete",
        supportedVersions,
        capabilities: CAPABILITIES,
        ...hints,
        _meta,
      });
    }
    case "ping":
      return answer({});
    case "tools/list":
      return answer(toolList());
    case "tools/call": {
      const tool = TOOLS.get(params?.name ?? "");
      if (!tool) return writeWhole(res, JSON.stringify(errorMessage(id, -32_602, "no such tool")));
      deps.recorder.called(params?.name ?? "");
      const run = tool.prepare(params?.arguments ?? {});
      if (!run) return writeWhole(res, JSON.stringify(errorMessage(id, -32_602, "bad arguments")));
      return run({ id, progressToken: params?._meta?.progressToken, req, res });
    }
    default:
      return writeWhole(res, JSON.stringify(errorMessage(id, -32_601, "no such method")), { status: 404 });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
