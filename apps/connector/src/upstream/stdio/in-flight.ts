import type { Message, RequestId } from "@sallyport/mcp";

export type Request = Extract<Message, { kind: "request" }>;

/** The token under which a request wants to hear of its progress. */
export function progressTokenOf(request: Request): RequestId | undefined {
  const meta = request.params._meta;
  if (typeof meta !== "object" || meta === null || !("progressToken" in meta)) return undefined;
  const { progressToken } = meta;
  return typeof progressToken === "string" || typeof progressToken === "number" ? progressToken : undefined;
}

export function requestsOf(messages: readonly Message[]): readonly Request[] {
  return messages.filter((message) => message.kind === "request");
}

/** JSON of a message that the connector itself says to a server. */
export function notifyCancelled(requestId: RequestId): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId, reason: "the client has gone" },
    }),
  );
}

export function refuseRequest(id: RequestId, error: { code: number; message: string }): Uint8Array {
  return Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, error }));
}
