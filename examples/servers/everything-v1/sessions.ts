import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { memoryEventStore } from "../fixtures/event-store.ts";

const MAX_SESSIONS = 200;
const RETRY_MS = 500;

export interface Sessions {
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  close(): Promise<void>;
}

/**
 * Streamable HTTP with sessions (MCP 2025-11-25): one transport and one server for each session, found by its
 * `Mcp-Session-Id`. Past the bound the oldest session ends, and its client gets 404 and starts anew.
 */
export function sessions(newServer: () => McpServer): Sessions {
  const open = new Map<string, StreamableHTTPServerTransport>();

  async function newSession(): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: memoryEventStore<JSONRPCMessage>(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => {
        open.set(id, transport);
        const oldest = open.keys().next();
        if (open.size > MAX_SESSIONS && !oldest.done) void open.get(oldest.value)?.close();
      },
    });
    transport.onclose = () => {
      if (transport.sessionId !== undefined) open.delete(transport.sessionId);
    };
    // The SDK's own class declares `onclose` without undefined, which exactOptionalPropertyTypes refuses.
    await newServer().connect(transport as Parameters<McpServer["connect"]>[0]);
    return transport;
  }

  return {
    async handle(req, res) {
      const id = req.headers["mcp-session-id"];
      // Without an id only `initialize` passes: a fresh transport answers everything else with 400.
      const transport = id === undefined ? await newSession() : open.get(String(id));
      if (transport) return transport.handleRequest(req, res);
      res.writeHead(404, { "content-type": "application/json" });
      const error = { code: -32_001, message: "Session not found" };
      res.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
    },
    async close() {
      await Promise.all([...open.values()].map((transport) => transport.close()));
    },
  };
}
