import { randomUUID } from "node:crypto";
import {
  type JSONRPCMessage,
  type LegacyHttpHandler,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { memoryEventStore } from "../fixtures/event-store.ts";
import type { NewServer } from "./server.ts";

const MAX_SESSIONS = 200;
const RETRY_MS = 500;

export interface Sessions {
  readonly fetch: LegacyHttpHandler;
  close(): Promise<void>;
}

/** The wire of 2025-11-25 and before: one transport and one server for each `Mcp-Session-Id`, bounded. */
export function sessions(newServer: NewServer): Sessions {
  const open = new Map<string, WebStandardStreamableHTTPServerTransport>();

  async function newSession(): Promise<WebStandardStreamableHTTPServerTransport> {
    const transport = new WebStandardStreamableHTTPServerTransport({
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
    await newServer().connect(transport);
    return transport;
  }

  return {
    async fetch(request, options) {
      const id = request.headers.get("mcp-session-id");
      // Without an id only `initialize` passes: a fresh transport answers everything else with 400.
      const transport = id === null ? await newSession() : open.get(id);
      if (transport) return transport.handleRequest(request, options);
      const error = { code: -32_001, message: "Session not found" };
      return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
    },
    async close() {
      await Promise.all([...open.values()].map((transport) => transport.close()));
    },
  };
}
