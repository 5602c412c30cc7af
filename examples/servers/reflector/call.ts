import type { IncomingMessage, ServerResponse } from "node:http";

/** One `tools/call` that arrived, and where its answer goes. */
export interface Call {
  readonly id: string | number;
  readonly progressToken: string | number | undefined;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** A JSON-RPC response of one text. `resultType` is what 2026-07-28 adds; older clients ignore it. */
export const textMessage = (id: Call["id"], text: string) => ({
  jsonrpc: "2.0",
  id,
  result: { resultType: "complete", content: [{ type: "text", text }] },
});

export const errorMessage = (id: Call["id"] | null, code: number, message: string, data?: unknown) => ({
  jsonrpc: "2.0",
  id,
  error: { code, message, ...(data === undefined ? {} : { data }) },
});
